"""Tasks that tests send. What a worker runs leaves a line in a file, so that its course can be followed."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from celery import Task, shared_task
from celery.exceptions import Reject
from django.db import transaction


def leave(path: str, line: str) -> None:
    """Append a line; whole, however many processes do."""
    with Path(path).open("a") as file:
        file.write(f"{line}\n")


@shared_task(name="probe.note")
def note(path: str, line: str) -> str:
    leave(path, line)
    return line


@shared_task(name="probe.add", ignore_result=True)
def add(x: int, y: int = 0) -> int:
    return x + y


class Urgent(Task[Any, Any]):
    """Has a way of its own to be sent."""

    def apply_async(self, *args: Any, **options: Any) -> Any:
        return super().apply_async(*args, **{**options, "queue": "high"})


@shared_task(name="probe.urgent", base=Urgent)
def urgent() -> None:
    """Nothing but sent."""


class Again(Task[Any, Any]):
    """Is given back when it is killed at its time limit."""

    acks_on_timeout = False


@shared_task(name="probe.collect")
def collect(lines: list[str], path: str) -> None:
    leave(path, "+".join(lines))


@shared_task(name="probe.retry_within", bind=True, max_retries=2, ignore_result=True)
def retry_within(self: Task[Any, Any], path: str) -> None:
    """Fail twice, each time within a transaction that the retry rolls back."""
    with transaction.atomic():
        leave(path, f"try {self.request.retries}")
        if self.request.retries < 2:
            raise self.retry(countdown=0)


@shared_task(name="probe.replace_within", bind=True)
def replace_within(self: Task[Any, Any], path: str) -> None:
    with transaction.atomic():
        self.replace(note.si(path, "replaced") | note.si(path, "and on"))


@shared_task(name="probe.end_process", acks_late=True)
def end_process(path: str, how: str) -> None:
    leave(path, how)
    match how:
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "left":
            os._exit(3)
        case "exited":
            sys.exit(4)


@shared_task(name="probe.kill_worker", acks_late=True)
def kill_worker(path: str) -> None:
    leave(path, "killed")
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)  # seconds; the end comes sooner


@shared_task(name="probe.reject", acks_late=True)
def reject(path: str, times: int) -> None:
    """Give its own message back so many times."""
    leave(path, "rejected")
    if len(Path(path).read_text().splitlines()) <= times:
        raise Reject("not now", requeue=True)


@shared_task(name="probe.overrun", acks_late=True)
def overrun(path: str) -> None:
    leave(path, "begun")
    time.sleep(60)  # seconds; the end comes sooner


@shared_task(name="probe.overrun_again", base=Again, acks_late=True)
def overrun_again(path: str) -> None:
    leave(path, "begun")
    time.sleep(60)  # seconds; the end comes sooner


@shared_task(name="probe.wait", acks_late=True)
def wait(path: str) -> None:
    leave(path, "begun")
    time.sleep(60)  # seconds; the end comes sooner
