"""Topic exchanges that nobody listens to, so that a worker's events cost nothing while nobody watches."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlalchemy import Engine

FRESH_S: Final = 1.5  # seconds that the last look is good for; sessions that consume look once a second


class Unbound:
    """What this process knows of one broker. A binding made elsewhere is announced, and seen by the next look
    at last.

    Used for transient messages to topic exchanges alone: of those a late listener misses the first anyway.
    """

    def __init__(self) -> None:
        self._exchanges: set[str] = set()
        self._looked_at = -FRESH_S

    def learned(self, exchange: str) -> None:
        """A message to it found no queue and no binding."""
        self._exchanges.add(exchange)

    def exchanges(self) -> list[str]:
        """Those to look at."""
        return list(self._exchanges)

    def looked(self, bound: list[str], now: float) -> None:
        """Somebody looked, and these have bindings."""
        self._exchanges.difference_update(bound)
        self._looked_at = now

    def bound(self, exchange: str) -> None:
        """A binding was announced."""
        self._exchanges.discard(exchange)

    def holds(self, exchange: str, now: float) -> bool:
        """Whether a message to it may be dropped unsent."""
        return exchange in self._exchanges and now - self._looked_at <= FRESH_S


_known: weakref.WeakKeyDictionary[Engine, Unbound] = weakref.WeakKeyDictionary()


def of(engine: Engine) -> Unbound:
    """This process's knowledge of the broker behind an engine."""
    return _known.setdefault(engine, Unbound())
