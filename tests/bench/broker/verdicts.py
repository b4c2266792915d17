"""What was promised and what was measured: each row of the table with its target and floor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.bench.broker.results import Results
from tests.bench.broker.terms import OURS, PEER

STOCK: Final = "kombu-sqla"
MEGABYTE: Final = 1_000_000  # bytes


@dataclass(frozen=True)
class Row:
    """One promise. `value` is None where something that it needs was not measured."""

    title: str
    value: float | None
    target: float
    floor: float
    is_least: bool  # whether more is better

    @property
    def verdict(self) -> str:
        """ "target", "floor", "BELOW", or "not measured"."""
        if self.value is None:
            return "not measured"
        for word, bound in (("target", self.target), ("floor", self.floor)):
            if self.value >= bound if self.is_least else self.value <= bound:
                return word
        return "BELOW"


def rows(results: Results) -> list[Row]:
    """All of them, in the order of the promise."""
    return [*_speed(results), *_latency(results), *_size(results), *_idle(results), *_losses(results)]


def _of(over: float | None, under: float | None) -> float | None:
    return over / under if over is not None and under else None


def _less(value: float | None, other: float | None) -> float | None:
    return value - other if value is not None and other is not None else None


def _speed(results: Results) -> Iterator[Row]:
    def get(system: str, figure: str) -> float | None:
        return results.median("throughput", system, figure)

    for figure, title in (("drain_1", "drain, 1 worker"), ("drain_2", "drain, 2 workers")):
        ours = get(OURS, figure)
        yield Row(f"{title}: of RabbitMQ's", _of(ours, get(PEER, figure)), 0.95, 0.85, True)
        yield Row(f"{title}: times kombu's sqla", _of(ours, get(STOCK, figure)), 6, 6, True)
    one_by_one = get(PEER, "enqueue")
    yield Row("enqueue one by one: of RabbitMQ's", _of(get(OURS, "enqueue"), one_by_one), 0.7, 0.45, True)
    bulk = results.median("bulk", OURS, "bulk")
    yield Row("enqueue in one transaction: times RabbitMQ's one by one", _of(bulk, one_by_one), 5, 2, True)
    empty = _both(results, "empty", "empty_again")
    waiting = results.median("backlog", OURS, "waiting")
    yield Row("drain with the backlog waiting: of the empty queue's", _of(waiting, empty), 0.95, 0.9, True)


def _both(results: Results, *figures: str) -> float | None:
    medians = [results.median("backlog", OURS, figure) for figure in figures]
    found = [median for median in medians if median is not None]
    return sum(found) / len(found) if found else None


def _latency(results: Results) -> Iterator[Row]:
    def get(system: str, percent: int) -> float | None:
        return results.percentile("latency", system, "latencies_s", percent)

    for percent, floor in ((50, 1.6), (99, 2.6)):
        value = _of(get(OURS, percent), get(PEER, percent))
        yield Row(f"idle latency p{percent}: of RabbitMQ's", value, 1.2, floor, False)
    yield Row(
        "idle latency p50: times better than kombu's sqla", _of(get(STOCK, 50), get(OURS, 50)), 50, 50, True
    )


def _size(results: Results) -> Iterator[Row]:
    greatest = max(results.values("steady", OURS, "sizes"), default=None)
    maintained = results.median("backlog", OURS, "size_maintained")
    yield Row("MB under a steady flow", _of(greatest, MEGABYTE), 20, 20, False)
    yield Row("MB after the drained backlog and maintenance", _of(maintained, MEGABYTE), 20, 20, False)


def _idle(results: Results) -> Iterator[Row]:
    def get(system: str, figure: str) -> float | None:
        return results.median("idle", system, figure)

    yield Row("idle worker: queries a second", get(OURS, "queries_per_s"), 1, 2, False)
    more = _less(get(OURS, "cpu_percent"), get(PEER, "cpu_percent"))
    yield Row("idle worker: % of a core above RabbitMQ's", more, 0.5, 0.5, False)
    # "As fast": within what two runs of the same differ by.
    yield Row(
        "stop of an idle worker: of RabbitMQ's",
        _of(get(OURS, "stop_s"), get(PEER, "stop_s")),
        1.1,
        1.1,
        False,
    )


def _losses(results: Results) -> Iterator[Row]:
    for measure, title in (("kills", "kills of workers"), ("restarts", "restarts of PostgreSQL")):

        def get(figure: str, measure: str = measure) -> float | None:
            return results.median(measure, OURS, figure)

        yield Row(f"{title}: lost", get("lost"), 0, 0, False)
        yield Row(f"{title}: run twice, more than were in progress", get("beyond"), 0, 0, False)
        if measure == "kills":
            yield Row("kills: longest until a task starts, s", _longest(results, "pauses_s"), 2, 2, False)
            again = _longest(results, "return_greatest_s")
            yield Row("kills: longest until a killed task starts again, s", again, 2, 2, False)
    stock = results.median("kills", STOCK, "lost")
    yield Row("the same kills on kombu's sqla: lost (it must show some)", stock, 1, 1, True)
    yield Row("a long task: times run", results.median("long", OURS, "began"), 1, 1, False)


def _longest(results: Results, figure: str) -> float | None:
    return max(results.values("kills", OURS, figure), default=None)
