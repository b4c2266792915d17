from __future__ import annotations

import uuid
from dataclasses import asdict

from celery import shared_task
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from apps.uploads import services, strays


@shared_task(
    name="uploads.process",
    ignore_result=True,  # the outcome is in the upload's row
    autoretry_for=(InterfaceError, OperationalError),  # the database was away
    retry_backoff=1,  # seconds, doubled each time
    max_retries=6,  # about a minute in all; `rescue` finds what is left
)
def process(upload_id: str) -> None:
    services.process(uuid.UUID(upload_id))


@shared_task(name="uploads.rescue")
def rescue() -> dict[str, int]:
    return {"rescued": services.rescue(timezone.now())}


@shared_task(name="uploads.clean_up")
def clean_up() -> dict[str, int]:
    now = timezone.now()
    return {**asdict(services.clean_up(now)), "swept": strays.sweep(now)}
