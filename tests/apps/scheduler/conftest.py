from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery import Celery

from apps.scheduler.database import WaitingScheduler
from boot.celery import app as celery_app


class Beat:
    """Starts schedulers as `celery beat` does, and lets none of them write when Python ends."""

    def __init__(self) -> None:
        self.started: list[WaitingScheduler] = []

    @property
    def app(self) -> Celery:
        return celery_app

    def start(self) -> WaitingScheduler:
        scheduler = WaitingScheduler(app=celery_app)
        self.started.append(scheduler)
        return scheduler


@pytest.fixture
def beat() -> Iterator[Beat]:
    beat = Beat()
    yield beat
    for scheduler in beat.started:
        scheduler._finalize.cancel()
