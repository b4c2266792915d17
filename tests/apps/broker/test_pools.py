"""Pools of connections, channels and producers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from kombu import Connection, pools
from kombu.exceptions import ChannelLimitExceeded, ConnectionLimitExceeded

from tests.apps.broker.brokers import Broker
from tests.apps.broker.client import Client


@pytest.fixture
def pool(broker: Broker) -> Iterator[Any]:
    """A pool of two connections."""
    with Connection(broker.url) as connection:
        pool = connection.Pool(2)
        yield pool
        pool.force_close_all()


@pytest.fixture
def connection(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A connection with groups of pools of its own: all applications of a process share kombu's."""
    connections, producers = pools.Connections(limit=10), pools.Producers(limit=10)
    monkeypatch.setattr(pools, "connections", connections)
    monkeypatch.setattr(pools, "producers", producers)
    with Connection(broker.url) as connection:
        yield connection
        for pool in (*producers.values(), *connections.values()):
            pool.force_close_all()


def test_a_pool_has_a_limit(pool: Any) -> None:
    """One more is refused; a released one is used again."""
    first, second = pool.acquire(), pool.acquire()
    with pytest.raises(ConnectionLimitExceeded):
        pool.acquire()
    first.connect()
    first.release()
    assert pool.acquire() is first
    second.release()
    first.release()


def test_a_released_connection_stays_open(pool: Any) -> None:
    """That is what a pool is for."""
    with pool.acquire(block=True) as connection:
        connection.connect()
    with pool.acquire(block=True) as connection:
        assert connection.connected


def test_a_failed_connection_is_replaced(pool: Any) -> None:
    """Whoever leaves the block with an error leaves no broken connection to the next."""

    def fail() -> None:
        with pool.acquire(block=True) as connection:
            connection.connect()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with pool.acquire(block=True) as connection:
        assert not connection.connected
        assert connection.default_channel


def test_a_pool_gives_a_channel_as_well(pool: Any, client: Client) -> None:
    """acquire_channel."""
    queue = client.queue()
    with pool.acquire_channel(block=True) as (connection, channel):
        assert connection.connected
        assert queue(channel).queue_declare(passive=True).message_count == 0


def test_a_channel_pool_has_a_limit(connection: Any) -> None:
    """Of one connection."""
    pool = connection.ChannelPool(2)
    first, second = pool.acquire(), pool.acquire()
    assert first.channel_id != second.channel_id
    with pytest.raises(ChannelLimitExceeded):
        pool.acquire()
    pool.release(first)
    assert pool.acquire() is first


def test_connections_of_one_url_share_a_pool(connection: Any) -> None:
    """kombu.pools.connections; a clone is equal."""
    with connection.clone() as twin:
        assert pools.connections[connection] is pools.connections[twin]
    with pools.connections[connection].acquire(block=True) as acquired:
        acquired.connect()
        assert acquired.as_uri() == connection.as_uri()


def test_producers_come_from_a_pool(connection: Any, client: Client) -> None:
    """kombu.pools.producers: connected when they publish."""
    queue = client.queue()
    for number in range(3):
        with pools.producers[connection].acquire(block=True) as producer:
            producer.publish(number, routing_key=queue.name, retry=True)
    assert [message.payload for message in client.take(queue, 3)] == [0, 1, 2]


def test_threads_publish_through_one_pool(connection: Any, client: Client) -> None:
    """Each with a producer of its own; nothing is lost."""
    queue = client.queue()

    def publish(thread: int) -> None:
        for number in range(10):
            with pools.producers[connection].acquire(block=True) as producer:
                producer.publish([thread, number], routing_key=queue.name, retry=True)

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [tuple(message.payload) for message in client.take(queue, 40)]
    assert sorted(found) == [(thread, number) for thread in range(4) for number in range(10)]
