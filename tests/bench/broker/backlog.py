"""What a million waiting messages do to the drain rate; what tables weigh then, after, and in a flow."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any, Final

from tests.bench.broker.systems import ROOT, System, answer
from tests.bench.broker.terms import CONCURRENCY, OURS, PREFETCH
from tests.bench.broker.throughput import rate
from tests.bench.broker.worker import wait_until, working

WINDOWS: Final = 3  # in a row, of which the median counts
CONSUMERS: Final = 2  # that empty the rest of the backlog
SLOWEST_PER_S: Final = 100.0  # tasks; below that, a measurement is given up
SAMPLE_S: Final = 1.0  # seconds between two looks at the size
MAINTENANCE: Final = """
import django
django.setup()
from apps.broker.tasks import maintain
maintain()
"""


def measure(system: System, backlog: int, window: int) -> dict[str, Any]:
    """The drain rate (tasks a second) with little waiting and at the head of `backlog`, in windows."""
    figures: dict[str, Any] = {"empty": _drain(system, WINDOWS * window, window)[0]}
    figures["waiting"], figures["fill_per_s"] = _drain(system, backlog, window)
    if system.server:
        figures["size_waiting"] = system.size()
        figures["consume_per_s"] = _empty(system)
        figures["size_drained"] = system.size()
        if maintain(system):
            figures["size_maintained"] = system.size()
    return figures | {"empty_again": _drain(system, WINDOWS * window, window)[0]}


def _drain(system: System, waiting: int, window: int) -> tuple[list[float], float]:
    """Tasks a second executed in each window, messages a second published in bulk."""
    system.publish("purge")
    system.ledger.clear()
    system.publish("holds", CONCURRENCY * PREFETCH)
    fill_per_s = waiting / system.publish("fill", waiting)
    with working(system, 1) as running:
        wait_until(
            "all processes to wait",
            lambda: len(system.ledger.lines("held")) == CONCURRENCY,
            workers=running,
        )
        system.ledger.open_gate()
        # The last few are not written down where nothing follows them.
        known = round(WINDOWS * window * 0.98)
        wait_until("the tasks", lambda: system.ledger.ticks() >= known, known / SLOWEST_PER_S, running)
    times = system.ledger.times()
    return [rate(times, (i + 0.1) * window, (i + 0.9) * window) for i in range(WINDOWS)], fill_per_s


def _empty(system: System) -> float:
    """Take and acknowledge all that waits, without executing it; messages a second."""
    consumers = [system.begin("consume") for _ in range(CONSUMERS)]
    try:
        taken, seconds = zip(*(answer(consumer) for consumer in consumers), strict=True)
    finally:
        for consumer in consumers:
            consumer.kill()
    return float(sum(taken) / max(seconds))


def maintain(system: System) -> bool:
    """The scheduled maintenance, as beat's schedule has it done; false where the system has none."""
    if system.name != OURS:
        return False
    environ = {**system.environ, "CELERY_BROKER_URL": system.url}
    subprocess.run([sys.executable, "-c", MAINTENANCE], cwd=ROOT, env=environ, check=True)
    return True


def steady(system: System, seconds: float, rate_per_s: float) -> dict[str, Any]:
    """Bytes of the tables each second, while tasks are published at a rate and executed."""
    system.publish("purge")
    system.ledger.clear()
    sizes = []
    with working(system, 1):
        publisher = system.begin("steady", system.messages(round(rate_per_s)), seconds)
        try:
            while publisher.poll() is None:
                sizes.append(system.size())
                time.sleep(SAMPLE_S)
            sent = answer(publisher)
        finally:
            publisher.kill()
        executed = system.ledger.ticks()
    return {"sizes": sizes, "sent": sent, "executed": executed}
