"""Bodies: every serializer, every byte, every size."""

from __future__ import annotations

from typing import Any

import pytest
from kombu.exceptions import ContentDisallowed

from tests.apps.broker.client import Client, unique

ALL_BYTES = bytes(range(256))
DOCUMENT = {"text": "grüße 🚲", "numbers": [1, 2.5, None], "nested": {"yes": True}}


CONTENT_TYPES = {
    "json": "application/json",
    "pickle": "application/x-python-serialize",
    "yaml": "application/x-yaml",
}


@pytest.mark.parametrize("serializer", CONTENT_TYPES)
def test_a_document_arrives(client: Client, serializer: str) -> None:
    """As it was, with the content type of its serializer."""
    queue = client.queue()
    client.put(queue, DOCUMENT, serializer=serializer)
    (message,) = client.take(queue, accept=[serializer])
    assert message.payload == DOCUMENT
    assert message.content_type == CONTENT_TYPES[serializer]


@pytest.mark.parametrize("body", [ALL_BYTES, b"\0", "", "a\0b", "grüße 🚲"])
def test_raw_bytes_and_text_arrive(client: Client, body: Any) -> None:
    """Bytes as bytes, text as text: the empty one and those with NUL as well."""
    queue = client.queue()
    client.put(queue, body, serializer="raw" if isinstance(body, bytes) else None)
    found = client.take(queue)[0].decode()
    assert found == body
    assert type(found) is type(body)


def test_a_body_of_nothing_arrives(client: Client) -> None:
    """Zero bytes are a message too."""
    queue = client.queue()
    client.put(queue, b"", serializer="raw", headers={"only": "headers"})
    (message,) = client.take(queue)
    assert not message.body
    assert message.headers == {"only": "headers"}


@pytest.mark.parametrize(
    ("body", "content_type", "encoding"),
    [
        (ALL_BYTES, "application/x-image", "binary"),
        (b"<a/>", "text/xml", "utf-8"),
        ("grüße", "text/plain", "utf-8"),
        ("grüße", "text/plain", "latin-1"),
    ],
)
def test_a_content_type_of_one_s_own_arrives(
    client: Client, body: Any, content_type: str, encoding: str
) -> None:
    """With a content type kombu serializes nothing; type and encoding arrive as given."""
    queue = client.queue()
    client.put(queue, body, content_type=content_type, content_encoding=encoding)
    (message,) = client.take(queue)
    assert (message.content_type, message.content_encoding) == (content_type, encoding)
    raw = message.body
    assert (raw if isinstance(raw, bytes) else raw.encode(encoding)) == (
        body if isinstance(body, bytes) else body.encode(encoding)
    )


@pytest.mark.parametrize("compression", ["zlib", "bzip2", "lzma"])
def test_a_compressed_document_arrives(client: Client, compression: str) -> None:
    """The header says how, and nobody need know."""
    queue = client.queue()
    client.put(queue, DOCUMENT, compression=compression)
    (message,) = client.take(queue)
    assert message.payload == DOCUMENT
    assert message.headers["compression"]


def test_five_megabytes_arrive(client: Client) -> None:
    """Byte by byte, none changed."""
    queue = client.queue()
    body = ALL_BYTES * (5_000_000 // len(ALL_BYTES))
    client.put(queue, body, content_type="application/data", content_encoding="binary")
    assert client.take(queue)[0].body == body


@pytest.mark.parametrize(
    "name", ["ключи-{}", "鍵 {}", "with space {}", "q/{}?x=1&y=%20", "a.{}#*", "Ünïcödé'\"{}"]
)
def test_any_name_is_a_queue_s_name(client: Client, name: str) -> None:
    """Unicode, quotes, spaces, and the letters of patterns."""
    queue = client.queue(name.format(unique()[-8:]))
    client.put(queue, "hello")
    assert client.take(queue)[0].delivery_info["routing_key"] == queue.name


def test_a_name_of_255_bytes_is_a_queue_s_name(client: Client) -> None:
    """The longest that AMQP has."""
    queue = client.queue(unique().ljust(255, "x"))
    client.put(queue, "hello")
    assert client.count(queue) == 1


def test_names_differ_in_case(client: Client) -> None:
    """Two queues, not one."""
    name = unique()
    lower, upper = client.queue(name.lower()), client.queue(name.upper())
    client.put(lower, "hello")
    assert (client.count(lower), client.count(upper)) == (1, 0)


def test_a_content_type_that_is_not_accepted_is_refused(client: Client) -> None:
    """Pickle is code: it is decoded only where it is accepted."""
    queue = client.queue()
    client.put(queue, DOCUMENT, serializer="pickle")
    (message,) = client.take(queue, accept=["json"])
    with pytest.raises(ContentDisallowed):
        message.decode()
    message.reject()
