"""How fast no-op tasks are published, one by one, and executed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.bench.broker.ledger import TICKS_A_LINE
from tests.bench.broker.systems import System
from tests.bench.broker.terms import CONCURRENCY, PREFETCH
from tests.bench.broker.worker import wait_until, working

FIRST, LAST = 0.1, 0.9  # the part of the tasks that is timed
SETTLE_S: Final = 1.0  # seconds from the last process that waits to the start
STALLED_S: Final = 300.0


@dataclass(frozen=True)
class Throughput:
    """Messages a second."""

    enqueue: float
    drain: float


def measure(system: System, workers: int, count: int) -> Throughput:
    """Publish, then drain with workers that were started before and wait at a gate."""
    system.publish("purge")
    system.ledger.clear()
    # As many as the workers prefetch, so that each process of each worker gets one.
    system.publish("holds", workers * CONCURRENCY * PREFETCH)
    enqueue = count / system.publish("one_by_one", count)
    return Throughput(enqueue, drain(system, workers, count))


def drain(system: System, workers: int, count: int) -> float:
    """Open the gate before `count` no-op tasks; how many a second are executed."""
    processes = workers * CONCURRENCY
    # Killed at the end: stopped while results are on their way, a pool of billiard's waits for 30 s.
    with working(system, workers) as running:
        wait_until(
            "all processes to wait",
            lambda: len(system.ledger.lines("held")) == processes,
            workers=running,
        )
        time.sleep(SETTLE_S)
        system.ledger.open_gate()
        known = count - processes * (TICKS_A_LINE - 1)
        wait_until("the tasks", lambda: system.ledger.ticks() >= known, STALLED_S, running)
    return rate(system.ledger.times(), count * FIRST, count * LAST)


def rate(times: Sequence[float], first: float, last: float) -> float:
    """Tasks a second between the first-th and the last-th, from the times of each further ten."""
    begin, end = int(first) // TICKS_A_LINE, int(last) // TICKS_A_LINE
    return (end - begin) * TICKS_A_LINE / (times[end] - times[begin])
