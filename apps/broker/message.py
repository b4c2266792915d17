"""A delivered message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu.transport import base

from apps.broker.envelope import text_or_bytes, unseal

if TYPE_CHECKING:
    from apps.broker.channel import Channel


class Message(base.Message):
    """As RabbitMQ's client hands one over."""

    def __init__(
        self,
        channel: Channel,
        tag: int,
        consumer_tag: str | None,
        redelivered: bool,
        envelope: str,
        body: bytes,
    ) -> None:
        opened = unseal(envelope)
        info = {
            "consumer_tag": consumer_tag,
            "delivery_tag": tag,
            "redelivered": redelivered,
            "exchange": opened.exchange,
            "routing_key": opened.routing_key,
        }
        given: dict[str, Any] = {"body": text_or_bytes(body, opened.content_encoding), "delivery_tag": tag}
        super().__init__(
            content_type=opened.content_type,
            content_encoding=opened.content_encoding,
            delivery_info=info,
            properties=opened.properties,
            headers=opened.headers,
            channel=channel,
            **given,
        )

        self.lost: str | None = None  # why the process that worked on it ended, where it did

    def reject(self, requeue: bool = False) -> None:
        """As RabbitMQ's; given back after its process has ended it counts as a death."""
        if requeue and self.lost:
            self.reject_lost(self.lost)
        else:
            super().reject(requeue)

    def reject_lost(self, reason: str) -> None:
        """Give it back: its process died. After too many deaths it becomes a dead letter."""
        if self.acknowledged:
            raise self.MessageStateError("the message has been acknowledged or given back before")
        channel: Any = self.channel
        channel.return_lost(self.delivery_tag, reason)
        self._state = "REQUEUED"
