"""How often programs die, and when that is a failure for good. Pure.

supervisord gives up on a program that dies before it counts as started (FATAL). One that dies every few
seconds later than that it starts again for ever, so deaths are counted in a window as well.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field


@dataclass
class Restarts:
    """More than `most` deaths of one program within `within_s` seconds are too many."""

    most: int
    within_s: float
    totals: Counter[str] = field(default_factory=Counter)  # of deaths, by program
    _recent: dict[str, deque[float]] = field(default_factory=dict)

    def died(self, program: str, now: float) -> str | None:
        """Note that it ended without being asked to, at a monotonic `now`; why that is one time too often."""
        self.totals[program] += 1
        recent = self._recent.setdefault(program, deque())
        recent.append(now)
        while now - recent[0] > self.within_s:
            recent.popleft()
        if len(recent) <= self.most:
            return None
        return f"ended {len(recent)} times within {now - recent[0]:.0f} s"

    def failed_start(self, program: str) -> None:
        """Note that it ended before it counted as started: supervisord itself counts those, up to FATAL."""
        self.totals[program] += 1

    def forget(self, program: str) -> None:
        """Somebody has stopped or started it by hand, and begins anew."""
        self._recent.pop(program, None)
