"""Deployments to look at: of variables that are given, not of this process's own."""

from __future__ import annotations

from boot.doctor.deployment import Deployment
from boot.env import examine

PASSWORD = "s3cr3t-that-nobody-may-see"
URL = f"postgresql://doorito:{PASSWORD}@db.internal:5432/doorito"


def deployment(role: str | None = "all", **variables: str) -> Deployment:
    """A deployment on PostgreSQL with a worker, and with the variables that are given; it does not run."""
    environ = {"DATABASE_URL": URL, "CELERY_TASK_ALWAYS_EAGER": "false"} | variables
    return Deployment(examine(environ), role, pid=None)
