from __future__ import annotations

from celery import shared_task
from django.conf import settings

from apps.broker import services


@shared_task(name="broker.maintain", ignore_result=True)
def maintain() -> dict[str, int]:
    """The broker's own housekeeping; nothing where the broker is not on PostgreSQL."""
    return services.maintain(settings.CELERY_BROKER_URL)
