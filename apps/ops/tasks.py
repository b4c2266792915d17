from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from apps.ops import house


@shared_task(name="ops.keep_house", ignore_result=True)
def keep_house() -> None:
    house.keep(timezone.now())
