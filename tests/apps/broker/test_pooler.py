"""Through PgBouncer: what works, and what is refused with a reason."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from kombu import Connection, Queue

import boot.celery  # noqa: F401 - it registers the transport for sqla+postgresql
from apps.broker import pooler, sql
from apps.broker.errors import BrokerUnusable
from tests.apps.broker.durable import durable_broker
from tests.servers import pgbouncer
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.skipif(
    not pgbouncer.is_installed() and "CI" not in os.environ, reason="needs PgBouncer: apt install pgbouncer"
)

MODES_THAT_SHARE = ["transaction", "statement"]
QUEUE = Queue("parcels")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server with the broker's tables."""
    with durable_broker() as running:
        yield running


@pytest.fixture
def through(server: Postgres) -> Iterator[Callable[..., str]]:
    """URLs of poolers before the server, which end with the test; no message is there at its beginning."""
    with server.connect() as connection:
        connection.execute("DELETE FROM broker_message")
    with contextlib.ExitStack() as poolers:
        yield lambda *given, **settings: poolers.enter_context(
            pgbouncer.serving(server.url, *given, **settings)
        )


def broker(url: str) -> Any:
    return Connection(f"sqla+{url}")


def publish(connection: Any, number: int) -> None:
    """Several kinds of statements: declare, publish, look."""
    channel = connection.channel()
    QUEUE(channel).declare()
    producer = connection.Producer(channel)
    for _ in range(number):
        producer.publish("a parcel", routing_key=QUEUE.name)
    assert waiting(connection) >= number


def waiting(connection: Any) -> int:
    """The number of messages in the queue."""
    return int(connection.channel().queue_declare(QUEUE.name, passive=True).message_count)


def consumed(connection: Any, number: int) -> list[Any]:
    """So many messages, acknowledged."""
    found: list[Any] = []

    def take(message: Any) -> None:
        found.append(message)
        message.ack()

    with connection.Consumer([QUEUE], on_message=take):
        while len(found) < number:
            connection.drain_events(timeout=60)
    return found


@pytest.mark.parametrize("mode", MODES_THAT_SHARE)
def test_consuming_is_refused_where_connections_are_shared(mode: str, through: Callable[..., str]) -> None:
    """With the reason and what mends it; nothing is left on the server's connection that others get."""
    with broker(through(mode)) as connection:
        publish(connection, 1)
        with pytest.raises(BrokerUnusable, match=r"pooler that lends .* pool_mode=session"):
            consumed(connection, 1)
        rows = connection.connection.session.run("SELECT current_setting('enable_seqscan')")
        assert rows == [("on",)]
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = $1::int"
        assert connection.connection.session.run(locks, sql.LOCK_SPACE) == [(0,)]


def test_a_message_cannot_be_fetched_there_either(through: Callable[..., str]) -> None:
    """It would belong to a lock as well, unless it needs no acknowledgement."""
    with broker(through("transaction")) as connection:
        publish(connection, 2)
        channel = connection.channel()
        with pytest.raises(BrokerUnusable, match="pooler"):
            channel.basic_get(QUEUE.name)
        assert channel.basic_get(QUEUE.name, no_ack=True).payload == "a parcel"


@pytest.mark.parametrize("mode", MODES_THAT_SHARE)
def test_many_publishers_share_two_connections_of_the_server(mode: str, through: Callable[..., str]) -> None:
    """None of their statements needs what an earlier one has prepared."""
    url = through(mode, default_pool_size=2)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with broker(url) as connection:
                publish(connection, 50)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with broker(url) as connection:
        assert waiting(connection) == 300


def test_a_pool_by_session_works_as_no_pool_does(through: Callable[..., str], server: Postgres) -> None:
    """Publishing, consuming, and the return of what a consumer had that has gone."""
    url = through("session")
    with broker(url) as connection:
        publish(connection, 20)
        assert len(consumed(connection, 20)) == 20
        publish(connection, 1)
        lost = broker(url)
        assert lost.channel().basic_get(QUEUE.name).payload == "a parcel"
        lost.connection.session.abandon()
        [message] = consumed(connection, 1)
        assert message.delivery_info["redelivered"]


@contextlib.contextmanager
def busy(url: str) -> Iterator[None]:
    """Four others use the pooler inside this block."""
    is_over = threading.Event()

    def work() -> None:
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
            while not is_over.is_set():
                connection.execute("SELECT 1")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize(
    ("mode", "expected"), [("session", False), ("transaction", True), ("statement", True)]
)
def test_the_mode_is_found_out_however_busy_the_pooler_is(
    mode: str, expected: bool, through: Callable[..., str]
) -> None:
    """Ten times, while others take and give back its connections."""
    url = through(mode)
    with busy(url):
        for _ in range(10):
            with psycopg.connect(url, autocommit=True) as connection:
                assert pooler.is_between(connection)
                assert pooler.is_shared(connection) is expected


def test_a_used_up_pool_by_session_is_waited_for_a_moment_only(
    through: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has the server's only connection has it alone."""
    monkeypatch.setattr(pooler, "PATIENCE_S", 0.2)
    url = through("session", default_pool_size=1)
    with psycopg.connect(url, autocommit=True) as connection:
        assert pooler.is_between(connection)
        assert not pooler.is_shared(connection)


def test_no_pooler_is_none(server: Postgres) -> None:
    """The server tells the pid of its own process."""
    with server.connect() as connection:
        assert not pooler.is_between(connection)
