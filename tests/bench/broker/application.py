"""The Celery application of the benchmark: the same for every broker, in workers and publishers.

`BENCH_SYSTEM` names the system, `BENCH_URL` its broker, `BENCH_OPTIONS` (JSON) its transport options.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any, Final

import django
from celery import Celery
from celery.signals import worker_ready
from django.conf import settings
from kombu import Exchange, Queue
from kombu.transport import TRANSPORT_ALIASES

from tests.bench.broker import ledger
from tests.bench.broker.terms import CONCURRENCY, GATE, OURS, PREFETCH, QUEUE

GATE_POLL_S: Final = 0.01

SYSTEM: Final = os.environ["BENCH_SYSTEM"]
if SYSTEM == OURS:
    # As boot/celery.py does it.
    TRANSPORT_ALIASES["sqla"] = "apps.broker.transport:Transport"
    settings.LOGGING_CONFIG = None  # Celery's own, as for all: Django's would write two lines for each task
    django.setup()
else:
    TRANSPORT_ALIASES["sqla"] = "kombu.transport.sqlalchemy:Transport"

# No fix-ups: Celery's for Django costs each task something, and other brokers would not pay it.
app: Final = Celery("bench", broker=os.environ["BENCH_URL"], fixups=[])
app.conf.update(
    accept_content=["json"],
    broker_connection_max_retries=None,
    broker_connection_retry_on_startup=True,
    broker_transport_options=json.loads(os.environ["BENCH_OPTIONS"]),
    task_acks_late=True,
    task_default_queue=QUEUE,
    task_ignore_result=True,
    task_queues=[Queue(QUEUE, Exchange(QUEUE, durable=True), routing_key=QUEUE, durable=True)],
    task_reject_on_worker_lost=True,
    task_serializer="json",
    worker_concurrency=CONCURRENCY,
    worker_pool="prefork",
    worker_prefetch_multiplier=PREFETCH,
)


@app.task
def tick() -> None:
    """A task that does nothing but be counted."""
    ledger.tick()


@app.task
def hold() -> None:
    """Occupy a process until the gate opens."""
    ledger.append("held", str(os.getpid()))
    gate = ledger.folder() / GATE
    while not gate.exists():
        time.sleep(GATE_POLL_S)


@app.task
def start(published: float) -> None:
    """Write down how long ago this task was published, in seconds; one clock serves the whole machine."""
    ledger.append("latencies", f"{time.monotonic() - published:.6f}")


@app.task
def step(number: int, seconds: float) -> None:
    """Take some time; begin and end are written down with the worker's name and the process."""
    who = f"{number} {os.environ[ledger.WORKER]} {os.getpid()}"
    ledger.append("steps", f"begin {who} {time.monotonic():.6f}")
    time.sleep(seconds)
    ledger.append("steps", f"end {who} {time.monotonic():.6f}")


@worker_ready.connect
def _tell(**_: Any) -> None:
    ledger.append("ready", os.environ[ledger.WORKER])
