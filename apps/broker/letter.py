"""A stored message as a person may read it. Nothing in it is unpickled, decompressed or run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_aware, localtime

from apps.broker.envelope import Opened, unseal

SHOWN_BYTES: Final = 20_000  # of a body; more says its size alone
JSON_TYPE: Final = "application/json"
# What a page has places of its own for.
_KNOWN: Final = ("task", "id", "argsrepr", "kwargsrepr")


class Death(NamedTuple):
    """An entry of a message's history."""

    at: str
    consumer: str
    reason: str


class Letter(NamedTuple):
    """A message's envelope, opened. What a message does not have is empty."""

    task: str
    task_id: str
    arguments: str
    keyword_arguments: str
    exchange: str
    routing_key: str
    content_type: str
    headers: str  # the other ones, with AMQP's properties; JSON


def opened(envelope: str) -> Letter:
    """What the envelope says; of one that cannot be read, its text as the headers."""
    try:
        parts = unseal(envelope)
        named = [parts.headers.get(name) for name in _KNOWN]
        texts = (*named, parts.exchange, parts.routing_key, parts.content_type, _others(parts))
    except Exception:  # a producer's own objects may fail in any way
        texts = (*[""] * (len(Letter._fields) - 1), envelope)
    return Letter(*(_printable(text) for text in texts))


def body_text(body: bytes | memoryview, letter: Letter) -> str:
    """JSON as it is, indented; of anything else, and of much, what and how much it is."""
    content = bytes(body)
    size = f"{len(content):,} bytes of {letter.content_type or 'an unknown type'}"
    if letter.content_type != JSON_TYPE:
        return size
    if len(content) > SHOWN_BYTES:
        return f"{size}; up to {SHOWN_BYTES:,} are shown"
    try:
        return _indented(json.loads(content))
    except (ValueError, RecursionError):
        return f"{size} that cannot be read; it may be compressed"


def deaths(history: Sequence[dict[str, Any]] | None) -> list[Death]:
    """The history, the oldest first; times in the site's time zone."""
    return [
        Death(_time(str(one.get("at", ""))), str(one.get("consumer", "")), str(one.get("reason", "")))
        for one in history or []
    ]


def last_reason(history: Sequence[dict[str, Any]] | None) -> str:
    """Why it was given up."""
    known = deaths(history)
    return known[-1].reason if known else ""


def _others(parts: Opened) -> str:
    headers = {name: value for name, value in parts.headers.items() if name not in _KNOWN}
    every = headers | parts.properties
    kept = {name: value for name, value in every.items() if value not in (None, [], {})}
    return _indented(kept) if kept else ""


def _indented(value: Any) -> str:
    return _printable(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def _printable(value: Any) -> str:
    """Text that can be encoded: JSON may hold halves of characters."""
    return "" if value is None else str(value).encode(errors="backslashreplace").decode()


def _time(text: str) -> str:
    when = parse_datetime(text)
    return f"{localtime(when):%Y-%m-%d %H:%M:%S %Z}" if when and is_aware(when) else text
