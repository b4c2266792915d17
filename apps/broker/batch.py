"""Kombu's publish batches: `with producer.batch():` stores many messages in one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apps.broker.publisher import Letter

if TYPE_CHECKING:
    from apps.broker.channel import Channel
    from apps.broker.envelope import Prepared


class Batch:
    """Collects messages for one channel.

    Kombu flushes and closes it. A mandatory one, or one to an exchange, goes at once.
    """

    def __init__(self, channel: Channel, max_size: int) -> None:
        self.channel = channel
        self._max_size = max_size
        self._letters: list[Letter] = []

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
            self.channel.basic_publish(message, exchange, routing_key, mandatory=mandatory, **options)
            return
        self._letters.append(Letter(message, exchange, routing_key))
        if len(self._letters) >= self._max_size:
            self.flush()

    def flush(self) -> None:
        """Store what was collected."""
        letters, self._letters = self._letters, []
        if letters:
            self.channel.publish_many(letters)

    def discard(self) -> None:
        """Forget what was collected."""
        self._letters.clear()

    def close(self) -> None:
        self._letters.clear()
