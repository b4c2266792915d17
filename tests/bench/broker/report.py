"""Figures and verdicts as tables of text: aligned for the terminal, in Markdown for the documentation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from tests.bench.broker import machine
from tests.bench.broker.measures import EVERY
from tests.bench.broker.results import Results
from tests.bench.broker.verdicts import MEGABYTE, Row, rows

Figure = Callable[[Results, str], float | None]
Table = list[list[str]]
MS: Final = 1000


def _median(measure: str, figure: str, scale: float = 1) -> Figure:
    def get(results: Results, system: str) -> float | None:
        value = results.median(measure, system, figure)
        return None if value is None else value * scale

    return get


def _percentile(percent: int) -> Figure:
    def get(results: Results, system: str) -> float | None:
        value = results.percentile("latency", system, "latencies_s", percent)
        return None if value is None else value * MS

    return get


def _greatest(measure: str, figure: str, scale: float = 1) -> Figure:
    def get(results: Results, system: str) -> float | None:
        value = max(results.values(measure, system, figure), default=None)
        return None if value is None else value * scale

    return get


FIGURES: Final[dict[str, Figure]] = {
    "drain /s, 1 worker": _median("throughput", "drain_1"),
    "drain /s, 2 workers": _median("throughput", "drain_2"),
    "enqueue /s, one by one": _median("throughput", "enqueue"),
    "enqueue /s, one transaction": _median("bulk", "bulk"),
    "idle latency p50, ms": _percentile(50),
    "idle latency p99, ms": _percentile(99),
    "drain /s, little waiting": _median("backlog", "empty"),
    "drain /s, backlog waiting": _median("backlog", "waiting"),
    "drain /s, after the backlog": _median("backlog", "empty_again"),
    "MB, backlog waiting": _median("backlog", "size_waiting", 1 / MEGABYTE),
    "MB, drained": _median("backlog", "size_drained", 1 / MEGABYTE),
    "MB, drained and maintained": _median("backlog", "size_maintained", 1 / MEGABYTE),
    "MB at most, steady flow": _greatest("steady", "sizes", 1 / MEGABYTE),
    "idle: queries /s": _median("idle", "queries_per_s"),
    "idle: CPU, % of a core": _median("idle", "cpu_percent"),
    "idle: stop, s": _median("idle", "stop_s"),
    "kills of workers": _median("kills", "disruptions"),
    "kills: lost, or held back": _median("kills", "lost"),
    "kills: run twice": _median("kills", "repeated"),
    "kills: in progress": _median("kills", "in_progress"),
    "kills: run twice, not in progress": _median("kills", "superfluous"),
    "kills: s until any task starts, at most": _greatest("kills", "pauses_s"),
    "kills: s until a killed task starts again, at most": _greatest("kills", "return_greatest_s"),
    "restarts of PostgreSQL": _median("restarts", "disruptions"),
    "restarts: lost, or held back": _median("restarts", "lost"),
    "restarts: run twice": _median("restarts", "repeated"),
    "restarts: in progress": _median("restarts", "in_progress"),
    "restarts: run twice, not in progress": _median("restarts", "superfluous"),
    "restarts: s until any task starts, at most": _greatest("restarts", "pauses_s"),
    "a long task: times run": _median("long", "began"),
}


def number(value: float | None) -> str:
    """Three digits that say something."""
    if value is None:
        return "-"
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}".rstrip("0").rstrip(".")


def figures(results: Results) -> Table:
    """A row for each figure that somebody has, a column for each system."""
    table = [["", *EVERY]]
    for title, get in FIGURES.items():
        values = [get(results, system) for system in EVERY]
        if any(value is not None for value in values):
            table.append([title, *map(number, values)])
    return table


def verdicts(results: Results) -> Table:
    """A row for each promise."""
    return [["ours", "measured", "target", "floor", "verdict"], *map(_verdict, rows(results))]


def _verdict(row: Row) -> list[str]:
    sign = "≥" if row.is_least else "≤"
    bounds = (f"{sign} {number(bound)}" for bound in (row.target, row.floor))
    return [row.title, number(row.value), *bounds, row.verdict]


def failures(results: Results) -> list[str]:
    """What could not be measured, and why."""
    return [
        f"{measure}, {system}: {reason}"
        for measure, taken in results.measures.items()
        for system, reason in taken["failed"].items()
    ]


def where(results: Results) -> list[str]:
    """The machine, the servers, when it was."""
    about: dict[str, Any] = machine.describe()
    on = f"{about['cores']} cores ({about['processor']}), {about['memory']}, Linux {about['kernel']}"
    packages = ", ".join(f"{name} {version}" for name, version in machine.versions().items())
    loads = [load for name, system in results.pairs() for load in results.values(name, system, "load")]
    busy = (
        f"load average before each measurement: {number(min(loads))} to {number(max(loads))}" if loads else ""
    )
    servers = [f"{name}: {_settings(settings)}" for name, settings in results.servers.items()]
    return [on, *([busy] if busy else []), f"Python {about['python']}, {packages}", *servers]


def _settings(settings: dict[str, str]) -> str:
    rest = (f"{name} {value}" for name, value in settings.items() if name != "version")
    return ", ".join([settings["version"], *rest])


def aligned(table: Table) -> str:
    """For the terminal."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join("  ".join(_fitted(line, widths)).rstrip() for line in table)


def _fitted(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *rest = zip(line, widths, strict=True)
    return [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]


def markdown(table: Table) -> str:
    """For the documentation."""
    head, *body = table
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *body))
