"""Transient messages through an exchange: events, remote control and its replies.

Where the only consumer of a queue listens, acknowledges nothing and takes the queue with it when it goes, the
message travels in the notification itself: no row is written, claimed or cleaned up.
"""

from __future__ import annotations

import json
import time
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Final

from apps.broker import envelope, sql

if TYPE_CHECKING:
    from apps.broker.publisher import Letter
    from apps.broker.session import Session
    from apps.broker.wire import Row

PAYLOAD_BYTES: Final = 7999  # PostgreSQL's limit for a notification
_TRANSIENT: Final = 1  # AMQP's delivery mode


def is_one(letter: Letter) -> bool:
    """Whether a message is to be broadcast, not stored."""
    return bool(letter.exchange) and letter.message.properties.get("delivery_mode") == _TRANSIENT


def pack(sealed: str, body: bytes) -> str | None:
    """The notification's payload; None for a message that does not fit."""
    payload = json.dumps([sealed, b64encode(body).decode()])
    return payload if len(payload) <= PAYLOAD_BYTES else None


def unpack(payload: str) -> tuple[str, bytes] | None:
    """Envelope and body of a payload; None for one that only wakes."""
    if not payload.startswith("["):
        return None
    sealed, body = json.loads(payload)
    return sealed, b64decode(body)


def publish(session: Session, letter: Letter) -> list[Row] | None:
    """Send it to all queues that are bound, stored for those that cannot hear it.

    None where it must be stored.
    """
    message, exchange, routing_key = letter
    if session.unbound.holds(exchange, time.monotonic()):
        return []
    sealed = envelope.seal(message, exchange, routing_key)
    if (payload := pack(sealed, message.body)) is None:
        return None
    lifetime = envelope.time_to_live_ms(message)
    return session.run(
        sql.BROADCAST,
        exchange,
        routing_key,
        envelope.priority(message),
        lifetime,
        sealed,
        message.body,
        payload,
    )
