"""How many messages to have at hand beyond what the prefetch count lets out."""

from __future__ import annotations

import math
from typing import Final

ROUND_TRIPS: Final = (
    2  # one may be under way when a message is acknowledged, and the next one brings its successor
)
MOST: Final = 100  # messages
KEPT_S: Final = 0.05  # seconds that a message is kept before it is given back to other consumers
_WEIGHT: Final = 0.3  # of a new measurement in the running mean


class ReadAhead:
    """RabbitMQ pushes the next message when one is acknowledged; here it takes a round trip, or two under
    load.

    So a few are claimed ahead: what will be acknowledged during two round trips, as both went lately. For
    tasks that take longer than a moment that is none, and the prefetch count holds to the letter: no message
    waits here while another worker is free. What turns out to wait is given back after KEPT_S.
    """

    def __init__(self) -> None:
        self._rate = 0.0  # acknowledgements a second
        self._round_trip_s = 0.0
        self._count = 0
        self._sent_at = 0.0
        self._answered_at = 0.0

    def acknowledged(self, count: int) -> None:
        self._count += count

    def sent(self, now: float) -> None:
        """A claim is under way."""
        self._sent_at = now

    def answered(self, now: float) -> None:
        """It came back; its time and what was acknowledged since the one before are measured."""
        elapsed = now - self._answered_at
        self._round_trip_s += _WEIGHT * (min(now - self._sent_at, KEPT_S) - self._round_trip_s)
        self._rate += min(1.0, _WEIGHT + elapsed) * (self._count / max(elapsed, 1e-6) - self._rate)
        self._count = 0
        self._answered_at = now

    def target(self, now: float) -> int:
        """Messages. None when nothing was acknowledged for a while, whatever the rate was."""
        latest = (self._count + 1) / max(now - self._answered_at, 1e-6)
        wanted = min(self._rate, latest) * self._round_trip_s * ROUND_TRIPS
        return min(MOST, math.ceil(wanted)) if wanted >= 1 else 0
