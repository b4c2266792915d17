"""Which publications need to wake their consumers."""

from __future__ import annotations

from collections.abc import Callable

PAUSE_S = 0.010  # seconds between two notifications of one destination
LOOK_AGAIN_S = 0.015  # a consumer that was woken looks again when so much has passed


class Announcements:
    """At most one notification in PAUSE_S a destination: each one costs PostgreSQL a lock that all publishers
    share.

    What was published in the pause is found by the woken consumer's second look, provided that it was
    committed before the pause was over. `publishing` says whether to notify along with a message, `published`
    whether to do it afterwards.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._begun: dict[tuple[str, str], float] = {}

    def publishing(self, destination: tuple[str, str]) -> bool:
        now = self._clock()
        if now - self._begun.get(destination, -PAUSE_S) < PAUSE_S:
            return False
        if len(self._begun) > 1000:  # reply queues come and go
            self._begun.clear()
        self._begun[destination] = now
        return True

    def published(self, destination: tuple[str, str], announced: bool) -> bool:
        """Whether what has just been committed may have missed the last second look."""
        if announced:
            return False
        now = self._clock()
        if now - self._begun.get(destination, -PAUSE_S) < PAUSE_S:
            return False
        self._begun[destination] = now
        return True
