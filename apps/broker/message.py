"""A delivered message."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
        super().__init__(
            body=text_or_bytes(body, opened.content_encoding),
            delivery_tag=tag,
            content_type=opened.content_type,
            content_encoding=opened.content_encoding,
            delivery_info=info,
            properties=opened.properties,
            headers=opened.headers,
            channel=channel,
        )

    def reject_lost(self, reason: str) -> None:
        """Give it back.

        The process that worked on it died. After too many deaths it becomes a dead letter.
        """
        self.channel.return_lost(self.delivery_tag, reason)
        self._state = "REQUEUED"
