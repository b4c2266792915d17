"""What time and limits do to messages and queues, and where dropped messages go."""

from __future__ import annotations

from typing import Any

import pytest
from amqp.exceptions import MessageNacked, PreconditionFailed

from tests.apps.broker.brokers import Broker
from tests.apps.broker.client import Client, unique, wait_until

DEAD_LETTERS = "what died too often is kept in a state of its own, with its history, for the admin"
SOON_S = 0.2  # seconds; long enough to be seen before it is over


def payloads(messages: list[Any]) -> list[Any]:
    """What they say."""
    return [message.payload for message in messages]


def test_a_message_expires_in_its_queue(client: Client) -> None:
    """expiration, in seconds, of one message: nobody is given it, nobody counts it."""
    queue = client.queue()
    client.put(queue, "short", expiration=SOON_S)
    assert client.count(queue) == 1
    wait_until("its end", lambda: client.count(queue) == 0)
    assert queue.get() is None


def test_a_message_that_has_not_expired_is_given(client: Client) -> None:
    """And says in its properties how long it had, in milliseconds."""
    queue = client.queue()
    client.put(queue, "long", expiration=600)
    (message,) = client.take(queue)
    assert (message.payload, message.properties["expiration"]) == ("long", "600000")


def test_a_message_without_time_is_for_who_waits(broker: Broker, client: Client) -> None:
    """expiration=0 is now or never with RabbitMQ, which pushes; with ours, which is asked, it is never."""
    queue = client.queue()
    client.put(queue, "missed", expiration=0)
    wait_until("its end", lambda: client.count(queue) == 0)
    inbox = client.inbox(queue)
    client.put(queue, "caught", expiration=0)
    client.put(queue, "last")
    expected = {"rabbitmq": ["caught", "last"], "postgres": ["last"]}[broker.name]
    assert inbox.bodies(len(expected)) == expected


def test_an_expired_message_is_not_given_to_a_consumer(client: Client) -> None:
    """A consumer that comes later gets what is still alive."""
    queue = client.queue()
    client.put(queue, "short", expiration=SOON_S)
    client.put(queue, "long")
    wait_until("the end of one", lambda: client.count(queue) == 1)
    assert client.inbox(queue).bodies(1) == ["long"]


def test_an_expiration_that_is_no_number_is_refused(client: Client) -> None:
    """406 PRECONDITION_FAILED."""
    queue = client.queue()
    message = client.channel.prepare_message(b"x", properties={"expiration": "soon"})
    with pytest.raises(PreconditionFailed) as caught:
        client.channel.basic_publish(message, exchange="", routing_key=queue.name)
    assert caught.value.code == 406


def test_a_message_that_is_held_does_not_expire(client: Client, other: Client) -> None:
    """Only waiting messages do; its time is over as soon as it returns."""
    queue = client.queue()
    client.put(queue, "held", expiration=SOON_S)
    (held,) = client.take(queue)
    other.put(queue, "short", expiration=SOON_S)
    wait_until("the end of the other", lambda: other.count(queue) == 0)
    held.ack()


def test_a_queue_gives_its_messages_a_time(client: Client) -> None:
    """message_ttl, in seconds; the message's own counts where it is shorter."""
    queue = client.queue(message_ttl=SOON_S)
    client.put(queue, "short")
    client.put(queue, "shortest", expiration=SOON_S / 2)
    client.put(queue, "short as well", expiration=600)
    wait_until("their end", lambda: client.count(queue) == 0)


def test_an_unused_queue_expires(client: Client) -> None:
    """expires, in seconds: with its messages, when nobody consumes, gets or declares."""
    queue = client.queue(expires=SOON_S)
    client.put(queue, "gone")
    assert client.exists(queue)
    wait_until("its end", lambda: client.channel.connection and _is_gone(client, queue))


def _is_gone(client: Client, queue: Any) -> bool:
    """Whether it is gone, asked by publishing: a declare would be a use."""
    returned: list[Any] = []
    producer = client.connection.Producer(on_return=lambda *it: returned.append(it))
    producer.publish("?", routing_key=queue.name, mandatory=True, expiration=0)
    client.channel.queue_declare(unique(), auto_delete=True)  # an answer, which comes after the return
    return bool(returned)


def test_a_queue_with_a_consumer_does_not_expire(client: Client, other: Client) -> None:
    """Its time begins when the last one goes."""
    used, unused = client.queue(expires=SOON_S), client.queue(expires=SOON_S)
    inbox = other.inbox(used)
    wait_until("the end of the unused", lambda: _is_gone(client, unused))
    assert not _is_gone(client, used)
    inbox.consumer.cancel()
    wait_until("its end", lambda: _is_gone(client, used))


def test_a_full_queue_drops_its_oldest(client: Client) -> None:
    """max_length."""
    queue = client.queue(max_length=2)
    client.put(queue, 1, 2, 3, 4)
    assert payloads(client.take(queue, 2)) == [3, 4]
    assert client.count(queue) == 0


def test_messages_that_are_held_do_not_fill_a_queue(client: Client) -> None:
    """Waiting ones count."""
    queue = client.queue(max_length=2)
    client.put(queue, 1, 2)
    client.take(queue, 2)
    client.put(queue, 3, 4)
    assert client.count(queue) == 2


def test_a_queue_full_of_bytes_drops_its_oldest(client: Client) -> None:
    """max_length_bytes counts bodies."""
    queue = client.queue(max_length_bytes=25)
    for letter in "abc":
        client.put(queue, letter * 10)
    assert [message.payload[0] for message in client.take(queue, 2)] == ["b", "c"]


@pytest.mark.refused("a publisher is confirmed by the commit alone")
def test_a_full_queue_can_refuse(client: Client) -> None:
    """x-overflow=reject-publish: the publisher that waits for confirmation is told."""
    queue = client.queue(max_length=1, queue_arguments={"x-overflow": "reject-publish"})
    client.put(queue, "in")
    with pytest.raises(MessageNacked):
        client.put(queue, "out")
    assert payloads(client.take(queue)) == ["in"]


@pytest.mark.refused(DEAD_LETTERS)
@pytest.mark.parametrize(
    ("arguments", "cause"),
    [({}, "rejected"), ({"x-message-ttl": 100}, "expired"), ({"x-max-length": 0}, "maxlen")],
    ids=["rejected", "expired", "maxlen"],
)
def test_a_dropped_message_goes_to_the_dead_letter_exchange(
    client: Client, arguments: dict[str, Any], cause: str
) -> None:
    """x-dead-letter-exchange; the x-death header says whence and why."""
    exchange = client.exchange("fanout")
    dead = client.queue(None, exchange)
    queue = client.queue(queue_arguments={"x-dead-letter-exchange": exchange.name, **arguments})
    client.put(queue, "hello", headers={"mine": 1})
    if cause == "rejected":
        client.take(queue)[0].reject()
    (message,) = client.take(dead)
    assert message.payload == "hello"
    assert message.headers["mine"] == 1
    (death,) = message.headers["x-death"]
    assert (death["reason"], death["queue"], death["count"]) == (cause, queue.name, 1)


@pytest.mark.refused(DEAD_LETTERS)
def test_a_dead_letter_takes_the_routing_key_it_is_given(client: Client) -> None:
    """x-dead-letter-routing-key, here of the default exchange: a delay queue, as many build it."""
    target = client.queue()
    waiting = client.queue(
        queue_arguments={
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": target.name,
            "x-message-ttl": 100,
        }
    )
    client.put(waiting, "later")
    assert payloads(client.take(target)) == ["later"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"x-message-ttl": -1},
        {"x-expires": 0},
        {"x-max-length": -1},
        {"x-max-priority": -1},
        {"x-message-ttl": "long"},
    ],
    ids=str,
)
def test_an_argument_that_makes_no_sense_is_refused(client: Client, arguments: dict[str, Any]) -> None:
    """406 PRECONDITION_FAILED; the queue is not made."""
    name = unique()
    with pytest.raises(PreconditionFailed) as caught:
        client.channel.queue_declare(name, durable=True, auto_delete=False, arguments=arguments)
    assert caught.value.code == 406
    assert not client.exists(client.queue(name, no_declare=True))
