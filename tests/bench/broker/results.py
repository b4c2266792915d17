"""All figures that were measured, as they are kept in JSON; and what is read out of them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.broker import machine
from tests.bench.broker.measures import Measure, Sizes

PERCENT = 100


class Results:
    """Raw figures by measure, system and round, and which could not be had."""

    def __init__(self, kept: Mapping[str, Any] | None = None) -> None:
        """`kept` is what `as_json` returned earlier: measures that are not taken again stay."""
        kept = kept or {}
        self.measures: dict[str, Any] = dict(kept.get("measures", {}))
        self.servers: dict[str, Any] = dict(kept.get("servers", {}))

    @classmethod
    def read(cls, path: Path) -> Results:
        """From a file; empty where there is none."""
        return cls(json.loads(path.read_text()) if path.exists() else None)

    def begin(self, measure: Measure, sizes: Sizes) -> None:
        """This measure is taken anew."""
        at = datetime.now(UTC).isoformat(timespec="seconds")
        self.measures[measure.name] = {"taken_at": at, "sizes": asdict(sizes), "systems": {}, "failed": {}}

    def add(self, measure: str, system: str, figures: dict[str, Any]) -> None:
        """One round of one system."""
        self.measures[measure]["systems"].setdefault(system, []).append(figures)

    def fail(self, measure: str, system: str, reason: str) -> None:
        """It could not be measured."""
        self.measures[measure]["failed"][system] = reason

    def pairs(self) -> list[tuple[str, str]]:
        """All measures and systems that have figures."""
        return [(name, system) for name, taken in self.measures.items() for system in taken["systems"]]

    def rounds(self, measure: str, system: str) -> list[dict[str, Any]]:
        """Its figures, one a round."""
        found: list[dict[str, Any]] = self.measures.get(measure, {}).get("systems", {}).get(system, [])
        return found

    def values(self, measure: str, system: str, figure: str) -> list[float]:
        """All values of a figure: of every round, and of every one that a round has."""
        values: list[float | None] = []
        for figures in self.rounds(measure, system):
            value = figures.get(figure)
            values += value if isinstance(value, list) else [value]
        return [value for value in values if value is not None]

    def median(self, measure: str, system: str, figure: str) -> float | None:
        """None where there is no value."""
        values = self.values(measure, system, figure)
        return statistics.median(values) if values else None

    def percentile(self, measure: str, system: str, figure: str, percent: int) -> float | None:
        """Of the values of all rounds together; None where there are too few."""
        values = self.values(measure, system, figure)
        return percentile(values, percent) if len(values) > 1 else None

    def as_json(self) -> dict[str, Any]:
        """What is kept."""
        return {
            "machine": machine.describe(),
            "versions": machine.versions(),
            "terms": machine.TERMS,
            "servers": self.servers,
            "measures": self.measures,
        }


def percentile(values: Sequence[float], percent: int) -> float:
    """The least value that so many percent are not above."""
    ranked = sorted(values)
    return ranked[max(0, -(-len(ranked) * percent // PERCENT) - 1)]
