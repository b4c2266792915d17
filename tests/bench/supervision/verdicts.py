"""The figures beside their targets. Pure."""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

RESAMPLES: Final = 10_000  # of the bootstrap


class Verdict(NamedTuple):
    """One figure: what it is, its value, and the most (or least) that it may be."""

    what: str
    value: float
    target: float
    is_most: bool = True
    unit: str = ""

    @property
    def holds(self) -> bool:
        return self.value <= self.target if self.is_most else self.value >= self.target


def median_interval(ratios: Sequence[float], seed: int = 1) -> tuple[float, float, float]:
    """The median and the ends of its 95 % interval, by bootstrap percentiles (Efron 1979); seeded."""
    source = random.Random(seed)
    medians = sorted(statistics.median(source.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES))
    return statistics.median(ratios), medians[int(0.025 * RESAMPLES)], medians[int(0.975 * RESAMPLES) - 1]


def verdicts(results: Mapping[str, Any]) -> list[Verdict]:
    """Of what was measured."""
    found = []
    if starts := results.get("starts"):
        ratio = statistics.median(starts["doorito"]) / statistics.median(starts["honcho"])
        found.append(Verdict("start until all are ready, of honcho's", ratio, 1.05))
    if returns := results.get("returns"):
        found.append(
            Verdict(
                "kill -9 to the new process, median", statistics.median(returns["doorito"]), 10, unit=" ms"
            )
        )
    if stops := results.get("stops"):
        ratio = statistics.median(stops["doorito"]) / statistics.median(stops["stock supervisord"])
        found.append(Verdict("TERM to the end, idle, of stock supervisord's", ratio, 0.6))
    if losses := results.get("losses"):
        ours = [row for row in losses if row["system"] == "doorito"]
        found.append(Verdict("requests failed while replaced", sum(row["failed"] for row in ours), 0))
        fewest = min(row["requests"] for row in ours)
        found.append(Verdict("requests of each of those runs, at least", fewest, 20_000, is_most=False))
        others = sum(row["failed"] for row in losses if row["system"] != "doorito")
        found.append(
            Verdict("the same without the held socket: failed (it must show some)", others, 1, is_most=False)
        )
    if pairs := results.get("throughput"):
        _, low, high = median_interval([pair["doorito"] / pair["gunicorn alone"] for pair in pairs])
        found.append(
            Verdict(
                "requests a second, of gunicorn's alone: 95 % interval, lower end", low, 0.95, is_most=False
            )
        )
        found.append(Verdict("the same, upper end", high, 1.0, is_most=False))
    if footprints := results.get("footprints"):
        ours, stock = footprints["doorito"], footprints["stock supervisord"]
        more = ours["memory_mb"] - stock["memory_mb"]
        found.append(Verdict("supervisord's memory, more than stock", more, 3, unit=" MB"))
        found.append(Verdict("supervisord's idle CPU", ours["idle_cpu_percent"], 0.2, unit=" %"))
        found.append(Verdict("CPU of a health probe", ours["probe_cpu_s"], 0.1, unit=" s"))
    return found
