"""SimpleQueue and SimpleBuffer: kombu's small interface."""

from __future__ import annotations

from queue import Empty

import pytest
from kombu import Exchange, Queue

from tests.apps.broker.client import Client, unique, wait_until


def test_what_is_put_can_be_got(client: Client) -> None:
    """In order; until it is acknowledged it is not gone."""
    with client.connection.SimpleQueue(unique()) as simple:
        simple.put({"a": 1})
        simple.put("two", headers={"h": 1})
        message = simple.get(timeout=10)
        assert message.payload == {"a": 1}
        message.ack()
        message = simple.get(timeout=10)
        assert (message.payload, message.headers) == ("two", {"h": 1})
        message.ack()


def test_it_says_when_it_is_empty(client: Client) -> None:
    """After the time it was given, or at once."""
    with client.connection.SimpleQueue(unique()) as simple:
        with pytest.raises(Empty):
            simple.get_nowait()
        with pytest.raises(Empty):
            simple.get(block=False)
        with pytest.raises(Empty):
            simple.get(timeout=0.05)
        with pytest.raises(simple.Empty):
            simple.get(timeout=0.05)


def test_it_polls_without_waiting(client: Client) -> None:
    """get_nowait() asks the broker."""
    with client.connection.SimpleQueue(unique()) as simple:
        simple.put("hello")
        message = simple.get_nowait()
        assert message.payload == "hello"
        message.ack()


def test_it_counts_and_clears(client: Client) -> None:
    """qsize(), len() and clear(), which tells how many it took."""
    with client.connection.SimpleQueue(unique()) as simple:
        for number in range(3):
            simple.put(number)
        assert simple.qsize() == 3
        assert len(simple) == 3
        assert simple.clear() == 3
        assert simple.qsize() == 0
        assert simple


def test_it_stays_when_it_is_closed(client: Client, other: Client) -> None:
    """SimpleQueue is durable: what was not acknowledged is there for the next."""
    name = unique()
    with client.connection.SimpleQueue(name) as simple:
        simple.put("kept")
        simple.get(timeout=10)
    client.close()
    with other.connection.SimpleQueue(name) as simple:
        message = simple.get(timeout=10)
        assert message.payload == "kept"
        assert message.delivery_info["redelivered"]
        message.ack()


def test_it_takes_a_queue_and_options(client: Client) -> None:
    """Serializer, compression, a kombu.Queue, arguments of the queue."""
    queue = Queue(unique(), Exchange(unique()), routing_key="k")
    options = {"serializer": "yaml", "compression": "zlib", "accept": ["yaml"]}
    with client.connection.SimpleQueue(queue, **options) as simple:
        simple.put({"a": [1]})
        message = simple.get(timeout=10)
        assert message.payload == {"a": [1]}
        assert message.content_type == "application/x-yaml"
        assert "compression" in message.headers
    with client.connection.SimpleQueue(unique(), queue_args={"x-max-length": 1}) as simple:
        simple.put(1)
        simple.put(2)
        assert simple.qsize() == 1


def test_a_buffer_acknowledges_for_itself(client: Client, other: Client) -> None:
    """SimpleBuffer: no_ack, exclusive, and gone when it is closed."""
    name = unique()
    with client.connection.SimpleBuffer(name) as buffer:
        buffer.put("a")
        buffer.put("b")
        assert [buffer.get(timeout=10).payload for _ in range(2)] == ["a", "b"]
        assert buffer.qsize() == 0
    wait_until("its end", lambda: not other.exists(Queue(name)))
