"""Asks, measures and shows."""

from __future__ import annotations

import sys
import time
from typing import Any, Final

from boot.control import Control
from boot.env import shows_colours
from boot.status import report, usage

SAMPLE_S: Final = 0.3  # seconds over which CPU is measured
WATCH_S: Final = 2.0  # seconds between two tables
CLEAR: Final = "\x1b[H\x1b[2J"
WELL: Final = 0
NOT_WELL: Final = 1


def show(as_json: bool, watch: bool) -> int:
    """Print it once, or again and again until Ctrl-C; 0 where all run and are ready, else 1.

    Raises boot.control.NotRunning.
    """
    control = Control()
    while True:
        found = _look(control, WATCH_S if watch else SAMPLE_S)
        text = report.as_json(found) if as_json else report.table(found, shows_colours(sys.stdout))
        if watch and sys.stdout.isatty():
            text = CLEAR + text
        sys.stdout.write(text)
        sys.stdout.flush()
        if not watch:
            return WELL if report.is_well(found) else NOT_WELL


def _look(control: Control, sample_s: float) -> list[dict[str, Any]]:
    groups = _pids(control.ask("doorito.getStatus"))
    begun, before = time.monotonic(), usage.measure(groups)
    time.sleep(sample_s)
    elapsed, after = time.monotonic() - begun, usage.measure(groups)
    programs = control.ask("doorito.getStatus")
    return report.rows(programs, after, usage.shares(before, after, elapsed))


def _pids(programs: list[dict[str, Any]]) -> set[int]:
    return {program["pid"] for program in programs if program["pid"]}
