"""Doorito's settings, and the courier's tasks."""

from __future__ import annotations

from boot.settings import *  # noqa: F403

CELERY_IMPORTS = ["tests.apps.broker.courier"]
