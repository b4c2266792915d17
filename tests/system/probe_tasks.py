"""Tasks whose course tests can follow."""

from __future__ import annotations

import time
from pathlib import Path

from celery import shared_task


@shared_task(name="probe.slow")
def slow(folder: str, seconds: float) -> None:
    """Leave a file at the beginning, and another at the end."""
    Path(folder, "begun").touch()
    time.sleep(seconds)
    Path(folder, "finished").touch()


@shared_task(name="probe.fail")
def fail() -> None:
    """Raise, so that the log gets a traceback."""
    raise RuntimeError("this task always fails")
