"""The Celery application: `celery -A boot worker`, `celery -A boot beat`."""

from __future__ import annotations

import logging.config
import os
import signal
from typing import Any

from celery import Celery
from celery.signals import beat_init, setup_logging, worker_init, worker_ready
from django.conf import settings
from kombu.transport import TRANSPORT_ALIASES

from boot import heartbeat, parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "boot.settings")

# Before the first connection; `broker_transport` is ignored once the URL has a scheme.
TRANSPORT_ALIASES["sqla"] = "apps.broker.transport:Transport"

app = Celery("doorito")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def _log_as_django_does(**_: Any) -> None:
    logging.config.dictConfig(settings.LOGGING)


@worker_init.connect
def _worker_follows(**_: Any) -> None:
    _follow()


@worker_ready.connect
def _report_worker(**_: Any) -> None:
    _report("celery-worker")


@beat_init.connect
def _report_beat(**_: Any) -> None:
    _follow()
    _report("celery-beat")


def _follow() -> None:
    if settings.RUNTIME_DIR:
        parent.follow(signal.SIGTERM)


def _report(program: str) -> None:
    if settings.RUNTIME_DIR:
        heartbeat.report(settings.RUNTIME_DIR, program, ready=True)
