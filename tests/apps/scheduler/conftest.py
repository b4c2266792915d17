from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from pytest_django import Settings

from apps.scheduler.database import WaitingScheduler
from boot.celery import app as celery_app


class Beat:
    """Starts schedulers as `celery beat` does, and lets none of them write when Python ends."""

    def __init__(self) -> None:
        self.started: list[WaitingScheduler] = []

    def every(self, interval: timedelta) -> None:
        """Make the settings say how often the owned task runs."""
        celery_app.conf.beat_schedule["nightly"] = {
            "task": "celery.backend_cleanup",
            "schedule": interval,
            "options": {"queue": "default"},
        }

    def start(self) -> WaitingScheduler:
        scheduler = WaitingScheduler(app=celery_app)
        self.started.append(scheduler)
        return scheduler


@pytest.fixture
def beat(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[Beat]:
    """Beat, with one schedule that a variable owns: nightly, every six hours."""
    settings.SCHEDULE_VARIABLES = {"nightly": "NIGHTLY_INTERVAL_HOURS"}
    monkeypatch.setitem(celery_app.conf.beat_schedule, "nightly", {})  # taken out again afterwards
    beat = Beat()
    beat.every(timedelta(hours=6))
    yield beat
    for scheduler in beat.started:
        scheduler._finalize.cancel()
