"""What a message is stored as."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.broker import envelope
from apps.broker.envelope import Opened, Prepared
from apps.broker.errors import PreconditionFailed

NOON = datetime(2030, 6, 1, 12, 0, tzinfo=UTC)


def with_properties(**properties: Any) -> Prepared:
    return envelope.prepare(b"", None, None, None, None, properties)


def with_headers(**headers: Any) -> Prepared:
    return envelope.prepare(b"", None, None, None, headers, None)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(derandomize=True, database=None, deadline=None)
@given(st.dictionaries(st.text(), values, max_size=4), st.text(), st.text())
def test_what_is_sealed_is_found_again(headers: dict[str, Any], exchange: str, routing_key: str) -> None:
    """Any headers that JSON can hold, and the address."""
    message = envelope.prepare(b"", 3, "a/b", "utf-8", headers, {"reply_to": "me"})
    assert envelope.unseal(envelope.seal(message, exchange, routing_key)) == Opened(
        "a/b", "utf-8", headers, {"reply_to": "me", "priority": 3}, exchange, routing_key
    )


@pytest.mark.parametrize("value", [NOON, NOON.date(), Decimal("1.50"), uuid.UUID(int=7)])
def test_headers_keep_what_kombu_s_json_keeps(value: object) -> None:
    """Celery puts dates into them."""
    opened = envelope.unseal(envelope.seal(with_headers(at=value), "", "q"))
    assert opened.headers == {"at": value}


@pytest.mark.parametrize("name", ["date", "datetime", "unknown"])
def test_a_header_that_looks_like_kombu_s_own_is_left_alone(name: str) -> None:
    """Its consumer gets what was sent, and does not fail on it."""
    headers = {"x": {"__type__": name, "__value__": "2030-06-01"}}
    assert envelope.unseal(envelope.seal(with_headers(**headers), "", "q")).headers == headers


def test_what_json_cannot_hold_is_refused() -> None:
    """When it is published, not when it is read."""
    with pytest.raises(TypeError):
        envelope.seal(with_headers(x=object()), "", "q")


def test_properties_that_amqp_does_not_have_are_dropped() -> None:
    """As RabbitMQ's client drops them, and those without a value."""
    kept = with_properties(correlation_id="1", delivery_tag="2", body_encoding="x", reply_to=None)
    assert kept.properties == {"correlation_id": "1"}


def test_a_priority_of_its_own_wins_over_the_property() -> None:
    """basic_publish has both ways of saying it."""
    assert envelope.prepare(b"", 5, None, None, None, {"priority": 1}).properties == {"priority": 5}


@pytest.mark.parametrize(
    ("given_", "meant"),
    [(None, 0), (7, 7), ("7", 7), (-3, 0), (255, 255), (1000, 255), ("high", 0), ([], 0), (2.9, 2)],
)
def test_a_priority_is_a_number_from_0_to_255(given_: object, meant: int) -> None:
    """What is outside counts as the nearest, what is none as 0."""
    assert envelope.priority(with_properties(priority=given_)) == meant


def test_an_expiration_is_a_number_of_milliseconds() -> None:
    """Text, as in AMQP, or a number."""
    assert envelope.time_to_live_ms(with_properties()) is None
    assert envelope.time_to_live_ms(with_properties(expiration="1500")) == 1500
    assert envelope.time_to_live_ms(with_properties(expiration=0)) == 0


@pytest.mark.parametrize("expiration", ["soon", "-1", "1.5", ""])
def test_another_expiration_is_refused(expiration: str) -> None:
    """As RabbitMQ does, naming it."""
    with pytest.raises(PreconditionFailed, match="invalid expiration"):
        envelope.time_to_live_ms(with_properties(expiration=expiration))


@pytest.mark.parametrize(
    ("eta", "due"),
    [
        (None, None),
        ("", None),
        ("2001-01-01T00:00:00+00:00", None),
        (datetime(2001, 1, 1, tzinfo=UTC), None),
        ("9999-01-01T00:00:00+00:00", "9999-01-01T00:00:00+00:00"),
        ("9999-01-01T02:00:00+02:00", "9999-01-01T02:00:00+02:00"),
        ("9999-01-01T00:00:00", "9999-01-01T00:00:00+00:00"),
        (datetime(9999, 1, 1, tzinfo=UTC), "9999-01-01T00:00:00+00:00"),
    ],
)
def test_a_task_is_due_at_its_eta(eta: object, due: str | None) -> None:
    """Unless that is past; a time without a zone is UTC, as Celery sends it."""
    assert envelope.due_at(with_headers(task="t", eta=eta)) == due


def test_other_messages_are_due_at_once() -> None:
    """An eta is Celery's word, not AMQP's."""
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert envelope.due_at(with_headers(eta=later)) is None


@pytest.mark.parametrize(
    ("body", "encoding", "stored"),
    [
        (b"\xff\x00", "binary", b"\xff\x00"),
        (memoryview(b"abc"), None, b"abc"),
        ("grüße", None, "grüße".encode()),
        ("grüße", "utf-8", "grüße".encode()),
        ("grüße", "ISO-8859-1", "grüße".encode("latin-1")),
        ("grüße", "gzip", "grüße".encode()),
    ],
)
def test_a_body_is_stored_as_bytes(body: Any, encoding: str | None, stored: bytes) -> None:
    """Text in its encoding, or UTF-8 where that is none of a text."""
    assert envelope.prepare(body, None, None, encoding, None, None).body == stored


@pytest.mark.parametrize(
    ("body", "encoding", "read"),
    [
        (b"abc", "utf-8", "abc"),
        (b"abc", "UTF8", "abc"),
        (b"\xff", "utf-8", b"\xff"),
        (b"\xff", "latin-1", "ÿ"),
        (b"abc", "binary", b"abc"),
        (b"abc", None, b"abc"),
        (b"abc", "rot13", b"abc"),
    ],
)
def test_a_body_is_text_where_its_encoding_says_so_and_fits(
    body: bytes, encoding: str | None, read: str | bytes
) -> None:
    """As RabbitMQ's client hands it over."""
    assert envelope.text_or_bytes(body, encoding) == read
