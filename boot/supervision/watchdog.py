"""Which programs hang: they run, and their loop has not reported for too long. Pure; the plug-in acts.

As systemd's WatchdogSec does, with one difference: time counts only while supervisord itself runs. After a
suspended laptop or a machine that stood still every report looks old, and nobody hangs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MOST_STEP_S: Final = 2.0  # seconds that count between two looks: the loop looks once a second
START_S: Final = 120.0  # seconds until the first report at least: imports on a slow disk


class Seen(NamedTuple):
    """What is seen of one program that runs."""

    pid: int
    reported_at: float | None  # of its latest report, whatever clock; None before the first
    is_exempt: bool = False  # its loop may stand still for as long as a task takes, and it has said so


@dataclass
class _Silence:
    pid: int
    reported_at: float | None
    lasts_s: float = 0.0


@dataclass
class Watchdog:
    """Remembers since when each program is silent. `limits_s` by program; 0 watches it not at all."""

    limits_s: Mapping[str, float]
    _silences: dict[str, _Silence] = field(default_factory=dict)
    _looked_at: float | None = None

    def look(self, running: Mapping[str, Seen], now: float) -> dict[str, str]:
        """The programs that hang and why, at a monotonic `now`; each is named once a process."""
        step = 0.0 if self._looked_at is None else min(max(0.0, now - self._looked_at), MOST_STEP_S)
        self._looked_at = now
        self._silences = {name: self._silence(name, seen, step) for name, seen in running.items()}
        return {
            name: f"has not reported for {self._silences[name].lasts_s:.0f} s"
            for name, seen in running.items()
            if not seen.is_exempt and self._is_over(name, step)
        }

    def _silence(self, name: str, seen: Seen, step: float) -> _Silence:
        last = self._silences.get(name)
        if last is None or (last.pid, last.reported_at) != (seen.pid, seen.reported_at):
            return _Silence(seen.pid, seen.reported_at)
        return _Silence(seen.pid, seen.reported_at, last.lasts_s + step)

    def _is_over(self, name: str, step: float) -> bool:
        limit = self.limits_s.get(name, 0.0)
        silence = self._silences[name]
        if silence.reported_at is None:
            limit = max(limit, START_S) if limit else 0.0
        return bool(limit) and silence.lasts_s > limit >= silence.lasts_s - step
