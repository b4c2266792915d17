"""Tasks whose course tests can follow."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from celery import shared_task
from celery.worker.control import control_command


@shared_task(name="probe.slow")
def slow(folder: str, seconds: float) -> None:
    """Leave a file at the beginning, and another at the end."""
    Path(folder, "begun").touch()
    time.sleep(seconds)
    Path(folder, "finished").touch()


@shared_task(name="probe.note_process")
def note_process(folder: str) -> None:
    """Leave a file named after the process that ran this."""
    Path(folder, str(os.getpid())).touch()


@shared_task(name="probe.fail")
def fail() -> None:
    """Raise, so that the log gets a traceback."""
    raise RuntimeError("this task always fails")


@control_command()
def block(_: Any) -> None:
    """Block the worker's main loop, from inside of it."""
    block_for_ever()


def block_for_ever() -> None:
    """Never return."""
    while True:
        time.sleep(1)
