"""What is measured, how much of it, and for which systems."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tests.bench.broker import backlog, bulk, latency, losses, throughput
from tests.bench.broker.systems import System
from tests.bench.broker.terms import OURS, PEER

EVERY: Final = ("ours", "rabbitmq", "redis", "kombu-sqla", "pgmq")
ON_POSTGRES: Final = ("ours", "kombu-sqla", "pgmq")


@dataclass(frozen=True)
class Sizes:
    """How much of everything; seconds end in _s."""

    rounds: int = 3
    messages: int = 6_000
    samples: int = 100
    idle_s: float = 12.0
    backlog: int = 1_000_000
    window: int = 8_000
    steady_s: float = 45.0
    steady_rate: int = 400
    tasks: int = 10_000
    kills: int = 20
    restarts: int = 5
    long_s: float = 30.0


FULL: Final = Sizes()
QUICK: Final = Sizes(
    rounds=1,
    messages=2_000,
    samples=30,
    idle_s=4.0,
    backlog=20_000,
    window=2_000,
    steady_s=5.0,
    tasks=800,
    kills=2,
    restarts=1,
    long_s=3.0,
)


@dataclass(frozen=True)
class Measure:
    """One measurement; `systems` are those that it is taken of, `possible` those that may be asked for."""

    name: str
    take: Callable[[System, Sizes], dict[str, Any]]
    systems: tuple[str, ...] = EVERY
    possible: tuple[str, ...] = EVERY
    is_repeated: bool = True  # in each round; else once
    is_fresh: bool = False  # on servers of its own, since it leaves something behind or does harm


def _throughput(system: System, sizes: Sizes) -> dict[str, Any]:
    count = system.messages(sizes.messages)
    one, two = (throughput.measure(system, workers, count) for workers in (1, 2))
    return {"enqueue": [one.enqueue, two.enqueue], "drain_1": one.drain, "drain_2": two.drain}


def _latency(system: System, sizes: Sizes) -> dict[str, Any]:
    # Those that poll take half a second and more for each.
    samples = sizes.samples // 4 if system.polls_s else sizes.samples
    return {"latencies_s": latency.start_latencies(system, samples)}


MEASURES: Final = (
    Measure("throughput", _throughput),
    Measure("bulk", lambda system, sizes: {"bulk": bulk.measure(system, sizes.messages)}, (OURS,), (OURS,)),
    Measure("latency", _latency),
    Measure(
        "idle", lambda system, sizes: latency.idle(system, sizes.idle_s), systems=(OURS, PEER, "kombu-sqla")
    ),
    Measure(
        "steady",
        lambda system, sizes: backlog.steady(system, sizes.steady_s, sizes.steady_rate),
        ON_POSTGRES,
        ON_POSTGRES,
        is_repeated=False,
        is_fresh=True,
    ),
    Measure(
        "backlog",
        lambda system, sizes: backlog.measure(system, sizes.backlog, sizes.window),
        (OURS,),
        (OURS, PEER),
        is_repeated=False,
        is_fresh=True,
    ),
    Measure(
        "kills",
        lambda system, sizes: losses.kills(system, sizes.tasks, sizes.kills),
        (OURS, PEER, "kombu-sqla"),
        is_repeated=False,
        is_fresh=True,
    ),
    Measure(
        "restarts",
        lambda system, sizes: losses.restarts(system, sizes.tasks, sizes.restarts),
        (OURS, "kombu-sqla"),
        ON_POSTGRES,
        is_repeated=False,
        is_fresh=True,
    ),
    Measure(
        "long",
        lambda system, sizes: losses.long(system, sizes.long_s),
        (OURS, PEER),
        is_repeated=False,
        is_fresh=True,
    ),
)
