"""The Celery application, of `celery -A boot ...` and of `python -m boot.celery_program worker|beat`."""

from __future__ import annotations

import logging.config
import os
from typing import Any

import django
from celery import Celery
from celery.app.task import Task
from celery.signals import beat_init, setup_logging, worker_before_create_process, worker_init
from django.apps import apps
from django.conf import settings
from django.dispatch import receiver

from apps.broker import scheme
from apps.scheduler.signals import turned
from boot import forking, supervised
from boot.consumer import Heartbeat

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "boot.settings")

# Before the first connection; `broker_transport` is ignored once the URL has a scheme.
scheme.register()

# For tasks of every base class: what kills its process again and again has to end as a dead letter.
Task.Request = "apps.broker.request:Request"

app = Celery("doorito")
app.Beat = app.subclass_with_self("apps.scheduler.beat:Beat")  # type: ignore[misc, arg-type] # a name will do
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["consumer"].add(Heartbeat)


@setup_logging.connect
def _log_as_django_does(**_: Any) -> None:
    logging.config.dictConfig(settings.LOGGING)


@worker_init.connect
def _worker_follows(**_: Any) -> None:
    supervised.follow()


@worker_before_create_process.connect
def _processes_share_memory(**_: Any) -> None:
    forking.share_memory()


@beat_init.connect
def _beat_follows(**_: Any) -> None:
    supervised.follow()


@receiver(turned)
def _report_beat(reasons: list[str], **_: Any) -> None:
    supervised.report(settings.RUNTIME_DIR, "celery-beat", not reasons, tuple(reasons))


# Celery's own commands set nothing up, `worker` and `beat` apart; sending a task and reading a result take
# models. Django itself, which loads this module on its way, is past its models by then.
if not apps.models_ready:
    django.setup()
