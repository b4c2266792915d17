"""What a message is stored as: the body as it is, and beside it, as JSON, what AMQP calls its properties."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from kombu.utils import json as kombu_json

from apps.broker.errors import PreconditionFailed

# AMQP's basic properties. RabbitMQ's client drops others without a word; so must this, or JSON refuses them.
PROPERTIES: Final = frozenset({
    "delivery_mode", "priority", "correlation_id", "reply_to", "expiration", "message_id", "timestamp",
    "type", "user_id", "app_id", "cluster_id",
})  # fmt: skip
HIGHEST_PRIORITY: Final = 255
# Before an envelope in kombu's JSON. What it looks like is no sign: a producer's header may look the same.
_KOMBU: Final = " "


class Prepared(NamedTuple):
    """A message before it has an address."""

    body: bytes
    content_type: str | None
    content_encoding: str | None
    headers: dict[str, Any]
    properties: dict[str, Any]


class Opened(NamedTuple):
    """A stored message's envelope."""

    content_type: str | None
    content_encoding: str | None
    headers: dict[str, Any]
    properties: dict[str, Any]
    exchange: str
    routing_key: str


def prepare(
    body: Any, priority: int | None, content_type: str | None, content_encoding: str | None,
    headers: dict[str, Any] | None, properties: dict[str, Any] | None,
) -> Prepared:  # fmt: skip
    """A message of what a producer gives; the body is text or bytes."""
    kept = {
        name: value for name, value in (properties or {}).items() if name in PROPERTIES and value is not None
    }
    if priority is not None:
        kept["priority"] = priority
    if isinstance(body, str):
        body = body.encode(_codec(content_encoding) or "utf-8")
    return Prepared(bytes(body), content_type, content_encoding, headers or {}, kept)


def seal(message: Prepared, exchange: str, routing_key: str) -> str:
    """The envelope. Raises TypeError for a header that JSON cannot hold."""
    opened = (
        message.content_type,
        message.content_encoding,
        message.headers,
        message.properties,
        exchange,
        routing_key,
    )
    try:
        return json.dumps(opened, separators=(",", ":"))
    except TypeError:
        return _KOMBU + str(kombu_json.dumps(opened))  # dates, decimals and the like, at a price


def unseal(envelope: str) -> Opened:
    """What `seal` closed."""
    loads = kombu_json.loads if envelope.startswith(_KOMBU) else json.loads
    return Opened(*loads(envelope))


def text_or_bytes(body: bytes, content_encoding: str | None) -> str | bytes:
    """The body as RabbitMQ's client hands it over: text where the encoding names one and fits."""
    codec = _codec(content_encoding)
    if codec is None:
        return body
    try:
        return body.decode(codec)
    except UnicodeDecodeError:
        return body


def priority(message: Prepared) -> int:
    """From 0 to 255; what is no number counts as 0."""
    try:
        return min(max(int(message.properties.get("priority") or 0), 0), HIGHEST_PRIORITY)
    except (TypeError, ValueError):
        return 0


def time_to_live_ms(message: Prepared) -> int | None:
    """The property `expiration`, in milliseconds. Raises PreconditionFailed where it is no such number."""
    expiration = message.properties.get("expiration")
    if expiration is None:
        return None
    if not str(expiration).isdecimal():
        raise PreconditionFailed(f"invalid expiration {expiration!r}: milliseconds, as a whole number")
    return int(expiration)


def due_at(message: Prepared) -> str | None:
    """When a Celery task with a countdown or an eta wants to start, where that is still to come."""
    eta = message.headers.get("eta") if "task" in message.headers else None
    if not eta:
        return None
    when = datetime.fromisoformat(eta) if isinstance(eta, str) else eta
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return when.isoformat() if when > datetime.now(UTC) else None


def _codec(content_encoding: str | None) -> str | None:
    """The text codec that the encoding names, if it names one."""
    name = (content_encoding or "").lower()
    return name if name in {"utf-8", "utf8", "us-ascii", "ascii", "latin-1", "iso-8859-1"} else None
