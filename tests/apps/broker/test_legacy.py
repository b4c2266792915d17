"""What kombu's own transport has left is moved over."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from celery import Celery
from kombu import Connection, Queue
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import sqlalchemy as stock

import boot.celery  # noqa: F401 - it registers the transport for sqla+postgresql
from apps.broker import legacy
from tests.apps.broker.spare import spare_database

# Kombu's transport is older than SQLAlchemy 2.1.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")

LOGGER = "apps.broker.legacy"


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """A database with the broker's tables."""
    with spare_database() as address:
        yield address


@pytest.fixture
def old(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of kombu's own transport there; no messages are in its tables at first, nor in ours."""
    monkeypatch.setitem(TRANSPORT_ALIASES, "stock", "kombu.transport.sqlalchemy:Transport")
    yield database.replace("postgresql://", "stock+postgresql+psycopg://")
    for engine, _ in stock.Channel._engines.values():
        engine.dispose()
    stock.Channel._engines.clear()
    execute(database, "DROP TABLE IF EXISTS kombu_message, kombu_queue")
    execute(database, "TRUNCATE broker_message, broker_delayed, broker_delivery, broker_queue")


def execute(address: str, statement: str, *parameters: Any) -> list[Any]:
    with psycopg.connect(address, autocommit=True) as connection:
        cursor = connection.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def left(address: str) -> int:
    """The number of messages that are still in kombu's table."""
    [(number,)] = execute(address, "SELECT count(*) FROM kombu_message WHERE visible")
    return int(number)


def send(url: str, *bodies: Any, queue: str = "parcels", **options: Any) -> None:
    with Connection(url) as connection:
        producer = connection.Producer()
        for body in bodies:
            producer.publish(body, routing_key=queue, declare=[Queue(queue, exchange="")], **options)


def received(database: str, number: int, queue: str = "parcels") -> list[Any]:
    """So many messages that our transport delivers there, acknowledged."""
    found: list[Any] = []

    def take(message: Any) -> None:
        found.append(message)
        message.ack()

    with Connection(f"sqla+{database}") as connection, connection.Consumer([Queue(queue)], on_message=take):
        while len(found) < number:
            connection.drain_events(timeout=60)
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=0)
    return found


def test_messages_arrive_once_and_in_order_with_all_that_they_had(database: str, old: str) -> None:
    """Body, headers, content type, encoding and properties; a second consumer finds nothing to move."""
    send(old, *range(5), headers={"colour": "ä"}, correlation_id="c", reply_to="r")
    send(old, b"\0\xff", content_type="application/x-thing", content_encoding="binary")
    messages = received(database, 6)
    assert [message.payload for message in messages[:5]] == list(range(5))
    assert messages[0].headers["colour"] == "ä"
    assert messages[0].properties["correlation_id"] == "c"
    assert messages[0].properties["reply_to"] == "r"
    assert not messages[0].delivery_info["redelivered"]
    assert (messages[5].body, messages[5].content_type) == (b"\0\xff", "application/x-thing")
    assert left(database) == 0
    assert received(database, 0) == []


def test_tasks_keep_their_time_and_their_priority(database: str, old: str) -> None:
    """Those of later are not delivered early; the highest priority is delivered first."""
    later = datetime.now(UTC) + timedelta(hours=1)
    with Celery(broker=old, set_as_current=False) as app:
        for priority in (1, 9, 5):
            app.send_task("shop.deliver", [priority], queue="celery", priority=priority)
        app.send_task("shop.deliver", ["later"], queue="celery", eta=later)
        app.send_task("shop.deliver", ["too late"], queue="celery", expires=later)
    tasks = received(database, 4, queue="celery")
    assert [message.payload[0][0] for message in tasks] == [9, 5, 1, "too late"]
    assert tasks[3].headers["expires"] == later.isoformat()
    assert execute(database, "SELECT queue, due_at FROM broker_delayed") == [("celery", later)]


def test_messages_of_a_queue_that_nobody_consumes_move_too(database: str, old: str) -> None:
    """To a lasting queue of that name."""
    send(old, "here")
    send(old, "there", queue="elsewhere")
    assert len(received(database, 1)) == 1
    assert left(database) == 0
    assert len(received(database, 1, queue="elsewhere")) == 1


def test_what_an_old_worker_took_is_its_own(database: str, old: str) -> None:
    """Delivered messages that kombu keeps as invisible are not delivered again."""
    send(old, "first", "second")
    with Connection(old) as connection:
        channel: Any = connection.channel()
        channel.basic_get("parcels", no_ack=True)
    assert [message.payload for message in received(database, 1)] == ["second"]


def test_what_an_old_worker_is_about_to_take_is_left_to_it(database: str, old: str) -> None:
    """Its lock is not waited for; what it gives up is found by the next consumer."""
    send(old, "first", "second")
    with psycopg.connect(database) as worker:
        worker.execute("SELECT * FROM kombu_message ORDER BY id LIMIT 1 FOR UPDATE")
        assert [message.payload for message in received(database, 1)] == ["second"]
        worker.rollback()
    assert [message.payload for message in received(database, 1)] == ["first"]


def test_of_consumers_that_begin_together_one_moves_all(
    database: str, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it reads them in several batches."""
    monkeypatch.setattr(legacy, "BATCH", 20)
    send(old, *range(50))
    moved: list[int] = []

    def begin() -> None:
        with Connection(f"sqla+{database}") as connection:
            connection.connect()
            barrier.wait()
            moved.append(legacy.move(connection.connection.session))

    barrier = threading.Barrier(3)
    threads = [threading.Thread(target=begin) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(moved) == [0, 0, 50]
    assert execute(database, "SELECT count(*) FROM broker_message") == [(50,)]


@pytest.mark.parametrize(
    "payload",
    [
        "no JSON",
        "[]",
        "{}",
        json.dumps({"body": "!", "properties": {"body_encoding": "base64"}}),
        json.dumps({"body": 1, "properties": {}}),
        json.dumps({"body": "", "properties": {"expiration": str(2**63)}}),
        json.dumps({"body": "", "headers": {"task": "t", "eta": "tomorrow"}, "properties": {}}),
    ],
)
def test_what_cannot_be_read_stays_and_is_named(
    payload: str, database: str, old: str, caplog: pytest.LogCaptureFixture
) -> None:
    """By its id, and the others move."""
    send(old, "first", "second")
    [(id_,)] = execute(
        database,
        "UPDATE kombu_message SET payload = %s WHERE id = (SELECT min(id) FROM kombu_message) RETURNING id",
        payload,
    )
    with caplog.at_level(logging.INFO, LOGGER):
        assert [message.payload for message in received(database, 1)] == ["second"]
    assert f"message {id_} of kombu_message stays there" in caplog.text
    assert "moved 1 messages from kombu_message" in caplog.text
    assert left(database) == 1


def test_what_old_workers_asked_each_other_stays(database: str, old: str) -> None:
    """Their mailboxes end with them, and would be in the way of ours."""
    send(old, "ping", queue="celery@host.celery.pidbox")
    send(old, "a parcel")
    assert len(received(database, 1)) == 1
    assert left(database) == 1
    assert execute(database, "SELECT name FROM broker_queue") == [("parcels",)]


def test_a_foreign_table_of_that_name_is_no_obstacle(
    database: str, old: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said, and consuming begins."""
    execute(database, "CREATE TABLE kombu_message (id int)")
    execute(database, "CREATE TABLE kombu_queue (id int)")
    send(f"sqla+{database}", "a parcel")
    assert len(received(database, 1)) == 1
    assert "the messages in kombu_message stay there: column" in caplog.text
