"""A message belongs to one living consumer until it is acknowledged, or returns to its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from amqp.exceptions import PreconditionFailed
from kombu.exceptions import MessageStateError

from tests.apps.broker.brokers import Broker, Wire
from tests.apps.broker.client import Client, wait_until

Connect = Callable[..., Client]


def payloads(messages: list[Any]) -> list[Any]:
    """What they say."""
    return [message.payload for message in messages]


def redelivered(messages: list[Any]) -> list[bool]:
    """Whether they have been delivered before."""
    return [bool(message.delivery_info["redelivered"]) for message in messages]


def test_an_acknowledged_message_is_gone(client: Client, other: Client) -> None:
    """Also when its connection ends."""
    queue = client.queue()
    client.put(queue, 1, 2)
    client.take(queue)[0].ack()
    client.close()
    assert payloads(other.take(queue)) == [2]
    assert other.count(queue) == 0


def test_several_are_acknowledged_at_once(client: Client, other: Client) -> None:
    """ack(multiple=True): this one and all of the channel before it; those after it are not."""
    queue = client.queue()
    client.put(queue, 1, 2, 3, 4)
    messages = client.inbox(queue).wait(4)
    messages[2].ack(multiple=True)
    client.close()
    assert payloads(other.take(queue)) == [4]
    assert other.count(queue) == 0


def test_a_message_is_acknowledged_once(client: Client) -> None:
    """kombu's own error; nothing is asked of the broker."""
    queue = client.queue()
    client.put(queue, 1)
    (message,) = client.take(queue)
    message.ack()
    for again in (message.ack, message.reject, message.requeue):
        with pytest.raises(MessageStateError):
            again()


def test_an_unknown_tag_is_an_error(client: Client) -> None:
    """406 PRECONDITION_FAILED, of the channel; it comes with the next answer at the latest."""

    def acknowledge_and_ask() -> None:
        client.channel.basic_ack(12345)
        client.queue()

    with pytest.raises(PreconditionFailed) as caught:
        acknowledge_and_ask()
    assert caught.value.code == 406


def test_a_rejected_message_is_gone(client: Client, other: Client) -> None:
    """reject(): nobody sees it again."""
    queue = client.queue()
    client.put(queue, 1, 2)
    client.take(queue)[0].reject()
    client.close()
    assert payloads(other.take(queue)) == [2]


def test_a_requeued_message_returns_to_its_place(client: Client) -> None:
    """Before those published after it, and it says that it was delivered before."""
    queue = client.queue()
    client.put(queue, 1, 2, 3)
    first, second = client.take(queue, 2)
    second.requeue()
    first.requeue()
    again = client.take(queue, 3)
    assert payloads(again) == [1, 2, 3]
    assert redelivered(again) == [True, True, False]


def test_rejecting_with_requeue_is_requeueing(client: Client) -> None:
    """Celery's Reject(requeue=True)."""
    queue = client.queue()
    client.put(queue, 1)
    client.take(queue)[0].reject(requeue=True)
    again = client.take(queue)
    assert (payloads(again), redelivered(again)) == ([1], [True])


def test_a_message_is_redelivered_until_it_is_acknowledged(client: Client) -> None:
    """However often it is requeued."""
    queue = client.queue()
    client.put(queue, 1)
    for expected in (False, True, True):
        (message,) = client.take(queue)
        assert redelivered([message]) == [expected]
        message.requeue()


def test_a_requeued_message_comes_to_a_waiting_consumer(client: Client, other: Client) -> None:
    """At once, to whoever has room."""
    queue = client.queue()
    client.put(queue, 1)
    (held,) = client.take(queue)
    inbox = other.inbox(queue)
    held.requeue()
    assert inbox.bodies(1) == [1]
    assert redelivered(inbox.messages) == [True]


def test_recovering_gives_back_all_that_is_held(client: Client) -> None:
    """recover(requeue=True), of this channel only; what comes again says so."""
    queue = client.queue()
    client.put(queue, 1, 2, 3)
    client.take(queue, 2)
    with client.connection.channel() as channel:
        held = queue(channel).get()
        client.channel.basic_recover(requeue=True)
        again = client.take(queue, 2)
        assert (payloads(again), redelivered(again)) == ([1, 2], [True, True])
        assert held.payload == 3
        held.ack()
    for message in again:
        message.ack()
    assert client.count(queue) == 0


def test_recovering_redelivers_to_the_consumer(client: Client) -> None:
    """Consumer.recover, to the one that held them."""
    queue = client.queue()
    client.put(queue, 1, 2)
    inbox = client.inbox(queue)
    inbox.wait(2)
    inbox.consumer.recover(requeue=True)
    assert inbox.bodies(4) == [1, 2, 1, 2]
    assert redelivered(inbox.messages) == [False, False, True, True]


@pytest.mark.parametrize("way", ["channel", "connection", "wire"])
def test_what_is_held_returns_in_order(
    broker: Broker, wire: Wire, connect: Connect, other: Client, way: str
) -> None:
    """The holder's channel or connection closes, or its wire is cut: the messages are where they were."""
    client = connect(broker.at(wire.port))
    queue = client.queue()
    client.put(queue, 1, 2, 3, 4, 5)
    channel = client.connection.channel()
    inbox = client.inbox(queue, channel=channel, prefetch_count=3)
    inbox.wait(3)[1].ack()
    inbox.wait(4)
    {"channel": channel.close, "connection": client.close, "wire": wire.cut}[way]()
    wait_until("their return", lambda: other.count(queue) == 4)
    again = other.take(queue, 4)
    assert payloads(again) == [1, 3, 4, 5]
    assert redelivered(again) == [True, True, True, False]


def test_what_is_held_returns_to_a_waiting_consumer(
    broker: Broker, wire: Wire, connect: Connect, other: Client
) -> None:
    """Who waits since before the other one died need not ask again."""
    client = connect(broker.at(wire.port))
    queue = client.queue()
    client.put(queue, 1, 2)
    client.inbox(queue).wait(2)
    waiting = other.inbox(queue)
    wire.cut()
    assert waiting.bodies(2) == [1, 2]
    assert redelivered(waiting.messages) == [True, True]


def test_what_was_fetched_and_not_looked_at_returns_too(client: Client, other: Client) -> None:
    """The connection has it, no callback has seen it."""
    queue = client.queue()
    other.put(queue, *range(10))
    client.inbox(queue)
    client.connection.drain_events(timeout=10)
    client.close()
    assert payloads(other.take(queue, 10)) == list(range(10))


def test_an_error_of_a_channel_and_what_it_held(broker: Broker, client: Client, other: Client) -> None:
    """RabbitMQ closes the channel, and its messages return; ours goes on. Other channels notice nothing.

    AMQP sends errors when the client is elsewhere, and has no other way than to close the channel. Ours are
    the answer to a call: nothing is unclear, so nothing has to be given up.
    """
    queue = client.queue()
    client.put(queue, 1, 2)
    client.take(queue)
    with client.connection.channel() as channel:
        held = queue(channel).get()
        with pytest.raises(client.connection.channel_errors):
            client.channel.queue_declare("missing", passive=True)
        assert other.count(queue) == {"rabbitmq": 1, "postgres": 0}[broker.name]
        held.ack()


def test_a_message_of_a_lost_connection_cannot_be_acknowledged(
    broker: Broker, wire: Wire, connect: Connect, other: Client
) -> None:
    """A recoverable error: the message is somebody else's by now."""
    client = connect(broker.at(wire.port))
    queue = client.queue()
    client.put(queue, 1)
    (message,) = client.take(queue)
    wire.cut()
    wait_until("its return", lambda: other.count(queue) == 1)

    def acknowledge_and_ask() -> None:
        message.ack()
        client.count(queue)

    with pytest.raises(client.connection.recoverable_connection_errors):
        acknowledge_and_ask()
    assert other.count(queue) == 1


def test_a_long_held_message_stays_held(client: Client, other: Client) -> None:
    """There is no time-out while its consumer lives, though it asks for nothing."""
    queue = client.queue()
    client.put(queue, 1)
    (message,) = client.take(queue)
    waiting = other.inbox(queue)
    with pytest.raises(TimeoutError):
        other.connection.drain_events(timeout=2)
    assert not waiting.messages
    message.ack()
    client.close()
    other.put(queue, 2)
    assert waiting.bodies(1) == [2]
