"""A consumer's subscription, and which queues are worth asking."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from apps.broker.announcement import LOOK_AGAIN_S

if TYPE_CHECKING:
    from apps.broker.channel import Channel
    from apps.broker.message import Message

Position = tuple[int, int]  # rank and id
START: Final[Position] = (-32768, 0)  # before every message

BATCH: Final = 100  # messages claimed at once where the prefetch count sets no limit


@dataclass(eq=False)
class Subscription:
    """One call of `basic_consume`."""

    channel: Channel
    queue: str
    tag: str
    no_ack: bool
    callback: Callable[[Message], Any]
    on_cancel: Callable[[str], Any] | None = None
    is_active: bool = field(default=True)

    def room(self) -> int:
        """How many messages it may be handed now."""
        return BATCH if self.no_ack else min(self.channel.room(), BATCH)


@dataclass
class _Heat:
    until: float = 0.0  # a look is owed that begins no earlier than this
    paused_until: float = 0.0
    position: Position = START  # of what was claimed last
    restart_at: float = 0.0  # from when on the position is no longer good


class Hot:
    """The queues that may hold messages: those that were notified, and those whose last answer was full.

    A queue that answers short is asked once more when LOOK_AGAIN_S have passed since it was last notified:
    until then publishers count on that second look.

    While a queue answers in full, it is asked from the position of its last answer on. It is asked from its
    start after a notification, at the second look, once a
    second, and before it counts as empty: so nothing is passed over for longer than that.
    """

    def __init__(self) -> None:
        self._heat: dict[str, _Heat] = {}

    def notified(self, queue: str, now: float) -> None:
        heat = self._heat.setdefault(queue, _Heat())
        heat.until = now + LOOK_AGAIN_S
        heat.paused_until = 0.0
        heat.restart_at = 0.0

    def known(self, queues: Iterable[str]) -> None:
        """They hold something, as somebody saw; no second look is owed."""
        for queue in queues:
            self._heat.setdefault(queue, _Heat()).restart_at = 0.0

    def ask(self, queue: str, now: float) -> Position:
        """Where to ask from."""
        heat = self._heat[queue]
        if now < heat.restart_at:
            return heat.position
        heat.restart_at = heat.until if heat.until > now else math.inf
        return START

    def answered(self, queue: str, asked_at: float, asked_from: Position, last: Position | None) -> None:
        """What an answer says of its queue: the position of its last message, None when there are no more."""
        if (heat := self._heat.get(queue)) is None:
            return
        if last is not None:
            heat.position = last
        elif asked_from != START:
            heat.restart_at = 0.0
        elif asked_at >= heat.until:
            del self._heat[queue]
        else:
            heat.paused_until = heat.until

    def is_worth_asking(self, queue: str, now: float) -> bool:
        heat = self._heat.get(queue)
        return heat is not None and heat.paused_until <= now

    def next_at(self, now: float) -> float | None:
        """When a queue's second look will be due; one that is due already waits for room, not for time."""
        return min(
            (heat.paused_until for heat in list(self._heat.values()) if heat.paused_until > now), default=None
        )
