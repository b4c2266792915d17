"""What the workers of these tests are asked to do, and the Celery application that asks them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from celery import Celery
from celery.exceptions import Reject, SoftTimeLimitExceeded
from kombu import Queue
from kombu.transport import TRANSPORT_ALIASES

TRANSPORT_ALIASES["sqla"] = "apps.broker.transport:Transport"

PATIENCE_S = 60.0  # seconds; nobody holds a worker longer


def add(x: int, y: int) -> int:
    return x + y


def total(numbers: list[int]) -> int:
    return sum(numbers)


def echo(*args: Any, **kwargs: Any) -> Any:
    return [list(args), kwargs]


def fail(message: str) -> None:
    raise ValueError(message)


def pid() -> int:
    return os.getpid()


def now() -> float:
    return time.time()


def describe(task: Any) -> dict[str, Any]:
    """What a task knows of the message that it came by."""
    request = task.request
    return {
        "queue": request.delivery_info["routing_key"],
        "priority": request.delivery_info["priority"],
        "redelivered": bool(request.delivery_info["redelivered"]),
        "correlation_id": request.correlation_id,
        "retries": request.retries,
        "headers": (request.headers or {}).get("mine"),
        "hostname": request.hostname,
    }


def note(task: Any, ledger: str) -> None:
    """Write down that this task ran."""
    with Path(ledger).open("a") as file:
        file.write(f"{task.request.id}\n")


def hold(folder: str, name: str) -> str:
    """Say that it has begun, and go on until it is let go."""
    place = Path(folder)
    with (place / f"{name}.begun").open("a") as file:
        file.write(f"{os.getpid()}\n")
    deadline = time.monotonic() + PATIENCE_S
    while not (place / f"{name}.go").exists():
        assert time.monotonic() < deadline, f"nobody let {name} go"
        time.sleep(0.01)
    return name


def try_again(task: Any, times: int) -> int:
    """Succeeds at the so-manieth retry; how many there were."""
    if task.request.retries < times:
        raise task.retry(countdown=0.1, max_retries=times)
    return int(task.request.retries)


def reject_once(task: Any) -> bool:
    """Whether it was delivered before: it gives itself back the first time."""
    if not task.request.delivery_info["redelivered"]:
        raise Reject("not now", requeue=True)
    return True


def die_once(task: Any) -> bool:
    """Whether it was delivered before: it kills its process the first time."""
    if not task.request.delivery_info["redelivered"]:
        os.kill(os.getpid(), signal.SIGKILL)
    return True


def die() -> None:
    """Kills its process."""
    os.kill(os.getpid(), signal.SIGKILL)


def linger(seconds: float) -> str:
    """Stays until it is interrupted; says whether it was asked to end."""
    try:
        time.sleep(seconds)
    except SoftTimeLimitExceeded:
        return "asked to end"
    return "stayed"


BOUND = {describe, note, try_again, reject_once, die_once}
OPTIONS: dict[Any, dict[str, Any]] = {
    hold: {"acks_late": True},
    reject_once: {"acks_late": True},
    die_once: {"acks_late": True, "reject_on_worker_lost": True},
    note: {"acks_late": True},
}
DUTIES: list[Any] = [
    add,
    total,
    echo,
    fail,
    pid,
    now,
    describe,
    note,
    hold,
    try_again,
    reject_once,
    die_once,
    die,
    linger,
]


def application(broker_url: str, folder: str, queue: str, backend: str = "") -> Celery:
    """An application of its own: nobody's current one. Results go to files below `folder` by default."""
    app = Celery("conformance", broker=broker_url, set_as_current=False)
    app.conf.update(
        result_backend=backend or f"file://{folder}/results",
        task_default_queue=queue,
        task_queues=[Queue(queue, max_priority=9)],
        task_create_missing_queues=True,
        task_track_started=True,
        task_send_sent_event=True,
        worker_prefetch_multiplier=2,
        worker_cancel_long_running_tasks_on_connection_loss=True,
        broker_connection_retry_on_startup=True,
        # Other applications on the broker hear nothing of it.
        control_exchange=f"{queue}-control",
        event_exchange=f"{queue}-events",
        timezone="UTC",
    )
    for duty in DUTIES:
        app.task(name=duty.__name__, bind=duty in BOUND, **OPTIONS.get(duty, {}))(duty)
    return app
