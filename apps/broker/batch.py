"""Kombu's publish batches: `with producer.batch():` stores many messages in one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apps.broker.publisher import Letter, Line

if TYPE_CHECKING:
    from apps.broker.channel import Channel
    from apps.broker.envelope import Prepared


class Batch:
    """Collects messages for one channel; kombu flushes and closes it.

    A mandatory message, and one to an exchange, goes at once.
    """

    def __init__(self, channel: Channel, max_size: int) -> None:
        self.channel = channel
        self._max_size = max_size
        self._lines: list[Line] = []
        self.last: Letter | None = None  # of those that are collected

    def publish(
        self,
        message: Prepared,
        exchange: str = "",
        routing_key: str = "",
        mandatory: bool = False,
        **options: Any,
    ) -> None:
        if exchange or mandatory:
            self.flush()  # messages keep their order
            self.last = None
            self.channel.basic_publish(message, exchange, routing_key, mandatory=mandatory, **options)
            return
        self.last = Letter(message, exchange, routing_key)
        self.add(Line.of(message, routing_key))

    def add(self, line: Line) -> None:
        self._lines.append(line)
        if len(self._lines) >= self._max_size:
            self.flush()

    def flush(self) -> None:
        """Store what was collected."""
        lines, self._lines = self._lines, []
        if lines:
            self.channel.publish_many(lines)

    def discard(self) -> None:
        """Forget what was collected."""
        self._lines.clear()

    def close(self) -> None:
        self._lines.clear()
