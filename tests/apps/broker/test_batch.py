"""Kombu's publish batches."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from amqp.exceptions import ChannelError
from django.db import connection, transaction
from kombu import Connection, Exchange, Producer, Queue

from apps.broker.models import Delayed, Message
from apps.broker.models import Queue as StoredQueue
from boot.celery import app

pytestmark = pytest.mark.django_db(transaction=True, available_apps=["apps.broker"])

QUEUE = Queue("batches")


@pytest.fixture
def producer() -> Iterator[Any]:
    """With its queue declared."""
    with Connection(app.conf.broker_url) as broker:
        QUEUE(broker.default_channel).declare()
        yield Producer(broker)


def _bodies(queue: str = QUEUE.name) -> list[str]:
    waiting = Message.objects.filter(queue=queue).order_by("id")
    return [bytes(body).decode() for body in waiting.values_list("body", flat=True)]


def _publish(producer: Any, *bodies: str, queue: str = QUEUE.name, **options: Any) -> None:
    for body in bodies:
        producer.publish(body, routing_key=queue, serializer="raw", content_type="text/plain", **options)


def test_a_batch_is_there_at_its_end(producer: Any) -> None:
    """In the order of publication."""
    with producer.batch():
        _publish(producer, "a", "b", "c")
        assert _bodies() == []
    assert _bodies() == ["a", "b", "c"]


def test_a_full_batch_goes_at_once(producer: Any) -> None:
    with producer.batch(max_size=2):
        _publish(producer, "a", "b", "c")
        assert _bodies() == ["a", "b"]
    assert _bodies() == ["a", "b", "c"]


def test_an_exception_discards_what_is_collected(producer: Any) -> None:
    with contextlib.suppress(ZeroDivisionError), producer.batch():
        _publish(producer, "a")
        raise ZeroDivisionError
    assert _bodies() == []


def test_a_message_to_an_exchange_keeps_its_place(producer: Any) -> None:
    exchange = Exchange("batches", type="topic")
    Queue("batches", exchange, routing_key="a.#")(producer.channel).declare()
    with producer.batch():
        _publish(producer, "first")
        producer.publish(
            "second", exchange=exchange, routing_key="a.b", serializer="raw", content_type="text/plain"
        )
        _publish(producer, "third")
    assert _bodies() == ["first", "second", "third"]


def test_a_message_that_nobody_takes_is_returned_where_it_is_mandatory(producer: Any) -> None:
    with producer.batch():
        _publish(producer, "dropped", queue="nobody")
        with pytest.raises(ChannelError, match="NO_ROUTE"):
            _publish(producer, "returned", queue="nobody", mandatory=True)


def test_properties_count_for_each_message(producer: Any) -> None:
    """Priorities, times to live, and when a task is due."""
    Queue("ranked", queue_arguments={"x-max-priority": 5})(producer.channel).declare()
    due = {"task": "t", "eta": "2100-01-01T00:00:00+00:00"}
    with producer.batch():
        _publish(producer, "high", queue="ranked", priority=9)
        _publish(producer, "short", queue="ranked", expiration=60)
        _publish(producer, "later", queue="ranked", headers=due)
    found = Message.objects.filter(queue="ranked").order_by("id").values_list("rank", "ttl_ms")
    assert list(found) == [(-5, None), (0, 60_000)]
    assert [later.due_at.year for later in Delayed.objects.all()] == [2100]


def test_a_batch_belongs_to_the_transaction_around_it(producer: Any) -> None:
    with contextlib.suppress(ZeroDivisionError), transaction.atomic():
        with producer.batch():
            _publish(producer, "a", "b")
        assert _bodies() == ["a", "b"]
        raise ZeroDivisionError
    assert _bodies() == []


@pytest.mark.parametrize("within", [True, False])
def test_a_queue_that_is_gone_is_declared_again(within: bool, producer: Any) -> None:
    """As for a single message; one that this connection never declared is dropped, as on RabbitMQ."""
    StoredQueue.objects.all().delete()
    with transaction.atomic() if within else contextlib.nullcontext(), producer.batch():
        _publish(producer, "a", "b")
        _publish(producer, "lost", queue="nobody")
    assert _bodies() == ["a", "b"]
    assert Message.objects.count() == 2


@pytest.mark.parametrize("within", [True, False])
def test_a_queue_keeps_to_its_limit(within: bool, producer: Any) -> None:
    Queue("short", queue_arguments={"x-max-length": 2})(producer.channel).declare()
    with transaction.atomic() if within else contextlib.nullcontext(), producer.batch():
        _publish(producer, "a", "b", "c", queue="short")
    assert _bodies("short") == ["b", "c"]


def test_a_batch_is_one_statement(producer: Any) -> None:
    """So all of its rows were inserted by one command of one transaction."""
    with producer.batch():
        _publish(producer, *"abcdef")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT (xmin::text, cmin::text)) FROM broker_message")
        assert cursor.fetchone() == (1,)
