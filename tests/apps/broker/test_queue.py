"""Queues: declared, asked for, purged, deleted; exclusive ones and those that delete themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from amqp.exceptions import NotFound, PreconditionFailed, ResourceLocked
from kombu import Queue

from tests.apps.broker.brokers import Broker, Wire
from tests.apps.broker.client import Client, unique, wait_until

Connect = Callable[..., Client]


def test_declaring_again_changes_nothing(client: Client, other: Client) -> None:
    """The messages stay, whoever declares it."""
    queue = client.queue()
    client.put(queue, "hello")
    for channel in (client.channel, other.channel):
        assert queue(channel).declare() == queue.name
    assert client.count(queue) == 1


CHANGES: list[dict[str, Any]] = [
    {"durable": False},
    {"auto_delete": True},
    {"arguments": {"x-max-length": 5}},
    {"arguments": {"x-message-ttl": 5000}},
    {"arguments": {"x-max-priority": 5}},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_declaring_another_queue_of_that_name_fails(client: Client, change: dict[str, Any]) -> None:
    """406 PRECONDITION_FAILED, of the channel; the queue stays as it was."""
    queue = client.queue()
    client.put(queue, "hello")
    options = {"durable": True, "auto_delete": False, **change}
    with pytest.raises(PreconditionFailed) as caught:
        client.channel.queue_declare(queue.name, **options)
    assert caught.value.code == 406
    assert isinstance(caught.value, client.connection.channel_errors)
    assert client.connection.connected
    assert client.count(queue) == 1


def test_the_same_arguments_in_another_order_are_the_same(client: Client) -> None:
    """Arguments are a table."""
    name = unique()
    client.channel.queue_declare(
        name, durable=True, auto_delete=False, arguments={"x-max-length": 5, "x-message-ttl": 5000}
    )
    client.channel.queue_declare(
        name, durable=True, auto_delete=False, arguments={"x-message-ttl": 5000, "x-max-length": 5}
    )


def test_a_queue_can_be_asked_for(client: Client) -> None:
    """A passive declare: how many messages wait, and how many consume."""
    queue = client.queue()
    assert tuple(queue.queue_declare(passive=True)) == (queue.name, 0, 0)
    client.put(queue, 1, 2, 3)
    assert tuple(queue.queue_declare(passive=True)) == (queue.name, 3, 0)
    client.take(queue)
    assert tuple(queue.queue_declare(passive=True)) == (queue.name, 2, 0)


def test_a_declare_says_how_many_wait_and_consume(client: Client, other: Client) -> None:
    """on_declared is told as well."""
    queue = client.queue()
    client.put(queue, 1)
    with other.connection.channel() as channel:
        channel.basic_qos(0, 1, False)
        other.inbox(queue, channel=channel).wait(1)
        client.put(queue, 2)
        told: list[Any] = []
        Queue(queue.name, on_declared=lambda *it: told.append(it), channel=client.channel).declare()
        assert told == [(queue.name, 1, 1)]
    wait_until("the consumer's end", lambda: client.consumers(queue) == 0)


def test_asking_asks_nothing_of_its_options(client: Client) -> None:
    """A passive declare compares names only."""
    queue = client.queue(max_length=5)
    assert client.channel.queue_declare(queue.name, passive=True).queue == queue.name


def test_a_queue_that_does_not_exist_is_not_found(client: Client) -> None:
    """404 NOT_FOUND, of the channel; and asking makes none."""
    missing: Any = Queue(unique())(client.channel)
    asks: list[Callable[[], object]] = [
        lambda: missing.queue_declare(passive=True),
        missing.get,
        missing.purge,
        lambda: missing.consume(callback=print),
    ]
    for ask in asks:
        with pytest.raises(NotFound) as caught:
            ask()
        assert caught.value.code == 404
        assert isinstance(caught.value, client.connection.channel_errors)


def test_deleting_what_does_not_exist_is_no_error(client: Client) -> None:
    """Nor deleting twice."""
    queue = client.queue()
    client.put(queue, 1, 2)
    assert queue.delete() == 2
    assert queue.delete() == 0
    assert not client.exists(queue)


def test_a_queue_in_use_can_be_spared(client: Client, other: Client) -> None:
    """if_unused: 406 PRECONDITION_FAILED while somebody consumes."""
    queue = client.queue()
    inbox = other.inbox(queue)
    with pytest.raises(PreconditionFailed) as caught:
        queue.delete(if_unused=True)
    assert caught.value.code == 406
    inbox.consumer.cancel()
    queue(client.channel).delete(if_unused=True)
    assert not client.exists(queue)


def test_a_queue_with_messages_can_be_spared(client: Client) -> None:
    """if_empty: 406 PRECONDITION_FAILED while messages wait."""
    queue = client.queue()
    client.put(queue, "hello")
    with pytest.raises(PreconditionFailed) as caught:
        queue.delete(if_empty=True)
    assert caught.value.code == 406
    queue.purge()
    queue.delete(if_empty=True)
    assert not client.exists(queue)


def test_a_new_queue_of_an_old_name_is_empty(client: Client) -> None:
    """Deleting takes messages and bindings along."""
    exchange = client.exchange("direct")
    queue = client.queue(None, exchange, routing_key="k")
    client.send(exchange, "k", "gone")
    queue.delete()
    client.queue(queue.name)
    client.send(exchange, "k", "lost")
    assert client.count(queue) == 0


def test_a_purge_counts_what_it_took(client: Client) -> None:
    """Waiting messages only: those in somebody's hands stay his."""
    queue = client.queue()
    client.put(queue, 1, 2, 3)
    (held,) = client.take(queue)
    assert queue.purge() == 2
    assert queue.purge() == 0
    held.requeue()
    assert [message.payload for message in client.take(queue)] == [1]


def test_a_purge_spares_what_a_consumer_holds(client: Client, other: Client) -> None:
    """Prefetched messages are in the consumer's hands."""
    queue = client.queue()
    inbox = other.inbox(queue, prefetch_count=2)
    client.put(queue, 1, 2, 3)
    inbox.wait(2)
    assert client.count(queue) == 1
    assert queue.purge() == 1
    other.close()
    assert [message.payload for message in client.take(queue, 2)] == [1, 2]


def test_the_broker_names_a_queue_without_name(client: Client) -> None:
    """Each another; kombu remembers it."""
    first, second = client.queue("", auto_delete=True), client.queue("", auto_delete=True)
    assert first.name.startswith("amq.gen-")
    assert first.name != second.name
    client.put(first, "hello")
    assert (client.count(first), client.count(second)) == (1, 0)


def test_an_exclusive_queue_is_its_connection_s(client: Client, other: Client) -> None:
    """405 RESOURCE_LOCKED for everybody else, whatever they try; its own channels may."""
    queue = client.queue(exclusive=True)
    foreign = queue(other.channel)
    for attempt in (
        foreign.declare,
        lambda: foreign.queue_declare(passive=True),
        foreign.get,
        foreign.purge,
        foreign.delete,
        lambda: foreign.consume(callback=print),
    ):
        with pytest.raises(ResourceLocked) as caught:
            attempt()
        assert caught.value.code == 405
        assert isinstance(caught.value, other.connection.channel_errors)
    with client.connection.channel() as channel:
        queue(channel).declare()


def test_everybody_publishes_to_an_exclusive_queue(client: Client, other: Client) -> None:
    """That is how replies come home."""
    queue = client.queue(exclusive=True)
    other.put(queue, "answer")
    assert [message.payload for message in client.take(queue)] == ["answer"]


def test_an_exclusive_queue_goes_with_its_connection(client: Client, other: Client) -> None:
    """Closed in order; with its messages."""
    queue = client.queue(exclusive=True)
    client.close()
    wait_until("the queue's end", lambda: not other.exists(queue))


def test_an_exclusive_queue_outlives_its_channel(client: Client) -> None:
    """It is the connection's. Exclusive in AMQP's own sense: kombu's implies auto-delete as well."""
    with client.connection.channel() as channel:
        name = channel.queue_declare(unique(), exclusive=True, auto_delete=False).queue
    assert client.exists(Queue(name))


def test_an_exclusive_queue_goes_with_a_lost_connection(
    broker: Broker, wire: Wire, connect: Connect, other: Client
) -> None:
    """Nobody has to say goodbye."""
    queue = connect(broker.at(wire.port)).queue(exclusive=True)
    wire.cut()
    wait_until("the queue's end", lambda: not other.exists(queue))


def test_an_auto_delete_queue_goes_with_its_last_consumer(client: Client, other: Client) -> None:
    """Not before the first, not with the last but one; what waited in it goes too."""
    queue = client.queue(auto_delete=True)
    client.put(queue, 1)
    assert client.exists(queue)
    first, second = client.inbox(queue), other.inbox(queue)
    first.consumer.cancel()
    assert client.exists(queue)
    second.consumer.cancel()
    assert not client.exists(queue)


@pytest.mark.parametrize("way", ["channel", "connection", "wire"])
def test_an_auto_delete_queue_goes_with_a_consumer_that_vanishes(
    broker: Broker, wire: Wire, connect: Connect, other: Client, way: str
) -> None:
    """Its channel or its connection closed, or its wire cut."""
    client = connect(broker.at(wire.port))
    queue = client.queue(auto_delete=True)
    channel = client.connection.channel()
    client.inbox(queue, channel=channel)
    {"channel": channel.close, "connection": client.close, "wire": wire.cut}[way]()
    wait_until("the queue's end", lambda: not other.exists(queue))


def test_an_auto_delete_queue_that_was_only_polled_stays(client: Client) -> None:
    """get() does not make a consumer."""
    queue = client.queue(auto_delete=True)
    assert queue.get() is None
    assert client.exists(queue)


def test_a_durable_queue_stays(client: Client, connect: Connect) -> None:
    """Without consumers, without connections."""
    queue = client.queue()
    client.close()
    assert connect().exists(queue)


def test_a_declare_without_waiting_is_done_before_the_next_request(client: Client) -> None:
    """nowait=True: no answer, and no wrong order either."""
    exchange = client.exchange("direct")
    queue: Any = Queue(unique(), exchange, routing_key="k")(client.channel)
    queue.declare(nowait=True)
    client.send(exchange, "k", "hello")
    assert client.count(queue) == 1
    queue.purge(nowait=True)
    assert client.count(queue) == 0
    queue.delete(nowait=True)
    assert not client.exists(queue)


def test_no_declare_declares_nothing(client: Client) -> None:
    """kombu's own option, for brokers where one may not."""
    queue = client.queue(no_declare=True)
    assert not client.exists(Queue(queue.name))


def test_a_quorum_queue_can_be_declared(client: Client) -> None:
    """Celery's task_default_queue_type; with us every queue is as safe as the database."""
    queue = client.queue(queue_arguments={"x-queue-type": "quorum"})
    client.put(queue, "hello")
    wait_until("the message", lambda: client.count(queue) == 1)
    assert [message.payload for message in client.take(queue)] == ["hello"]
