"""A consumer's subscription, and which queues are worth asking."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from apps.broker.announcement import LOOK_AGAIN_S

if TYPE_CHECKING:
    from apps.broker.channel import Channel
    from apps.broker.message import Message

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


class Hot:
    """The queues that may hold messages: those that were notified, and those whose last answer was full.

    A queue that answers short is asked once more when LOOK_AGAIN_S have passed since it was last notified: until
    then publishers count on that second look.
    """

    def __init__(self) -> None:
        self._until: dict[str, float] = {}  # when it was notified, and how long it is to be looked at
        self._pause: dict[str, float] = {}  # not to be asked before

    def notified(self, queue: str, now: float) -> None:
        self._until[queue] = now + LOOK_AGAIN_S
        self._pause.pop(queue, None)

    def known(self, queues: Iterable[str]) -> None:
        """They hold something, as somebody saw; no second look is owed."""
        for queue in queues:
            self._until.setdefault(queue, 0.0)

    def answered(self, queue: str, asked_at: float, short: bool) -> None:
        """What an answer says of its queue: `short` when it holds no more."""
        if not short:
            return
        until = self._until.get(queue, 0.0)
        if asked_at >= until:
            self._until.pop(queue, None)
            self._pause.pop(queue, None)
        else:
            self._pause[queue] = until

    def is_worth_asking(self, queue: str, now: float) -> bool:
        return queue in self._until and self._pause.get(queue, 0.0) <= now

    def next_at(self, now: float) -> float | None:
        """When a queue's second look will be due; one that is due already waits for room, not for time."""
        return min((at for at in self._pause.values() if at > now), default=None)
