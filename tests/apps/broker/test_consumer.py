"""kombu.Consumer: who is given which messages, and in which form."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from kombu import Consumer, Message, Queue
from kombu.exceptions import ContentDisallowed, DecodeError

from tests.apps.broker.client import Client, drain, unique, wait_until

Connect = Callable[..., Client]


def test_callbacks_take_the_body_and_the_message(client: Client) -> None:
    """In the order in which they were registered."""
    queue = client.queue()
    told: list[tuple[str, Any]] = []
    consumer: Any = Consumer(
        client.channel, [queue], callbacks=[lambda body, _: told.append(("first", body))]
    )
    consumer.register_callback(lambda _, message: told.append(("second", message.payload)))
    with consumer:
        client.put(queue, {"a": 1})
        drain(client.connection, "both", lambda: len(told) == 2)
    assert told == [("first", {"a": 1}), ("second", {"a": 1})]


def test_on_message_takes_the_message_alone(client: Client) -> None:
    """Not decoded, as Celery's worker wants it."""
    queue = client.queue()
    inbox = client.inbox(queue)
    client.put(queue, {"a": 1})
    (message,) = inbox.wait(1)
    assert isinstance(message, Message)
    assert message.body in ('{"a": 1}', b'{"a": 1}')


def test_messages_wait_for_their_consumer(client: Client) -> None:
    """What was published before comes first, then what is published after."""
    queue = client.queue()
    client.put(queue, 1, 2)
    inbox = client.inbox(queue)
    client.put(queue, 3)
    assert inbox.bodies(3) == [1, 2, 3]


def test_a_thousand_messages_come_in_order(client: Client, connect: Connect) -> None:
    """To a consumer without a limit, each once."""
    queue = client.queue()
    inbox = connect().inbox(queue)
    client.put(queue, *range(1000))
    assert inbox.bodies(1000) == list(range(1000))


def test_one_consumer_takes_from_several_queues(client: Client) -> None:
    """And each message says which: the routing key of the default exchange."""
    first, second = client.queue(), client.queue()
    inbox = client.inbox(first, second)
    client.put(first, 1)
    client.put(second, 2)
    assert sorted(inbox.bodies(2)) == [1, 2]
    keys = {message.payload: message.delivery_info["routing_key"] for message in inbox.messages}
    assert keys == {1: first.name, 2: second.name}


def test_a_queue_is_added_while_consuming(client: Client) -> None:
    """add_queue declares; consume starts what is new and leaves what runs."""
    first = client.queue()
    inbox = client.inbox(first)
    second = inbox.consumer.add_queue(Queue(unique()))
    inbox.consumer.consume()
    assert inbox.consumer.consuming_from(first)
    assert inbox.consumer.consuming_from(second.name)
    client.put(second, 2)
    client.put(first, 1)
    assert sorted(inbox.bodies(2)) == [1, 2]


def test_one_queue_is_cancelled_while_another_goes_on(client: Client) -> None:
    """cancel_by_queue; the messages of the first stay in it."""
    first, second = client.queue(), client.queue()
    inbox = client.inbox(first, second)
    inbox.consumer.cancel_by_queue(first.name)
    assert not inbox.consumer.consuming_from(first)
    client.put(first, 1)
    client.put(second, 2)
    assert inbox.bodies(1) == [2]
    assert (client.count(first), client.consumers(first)) == (1, 0)


def test_a_cancelled_consumer_keeps_what_it_holds(client: Client) -> None:
    """Cancelling ends the flow; acknowledging is still possible."""
    queue = client.queue()
    inbox = client.inbox(queue)
    client.put(queue, 1)
    (message,) = inbox.wait(1)
    inbox.consumer.cancel()
    client.put(queue, 2)
    message.ack()
    assert client.count(queue) == 1
    client.close()


def test_a_consumer_can_start_again(client: Client) -> None:
    """After cancel()."""
    queue = client.queue()
    inbox = client.inbox(queue)
    inbox.consumer.cancel()
    client.put(queue, 1)
    inbox.consumer.consume()
    assert inbox.bodies(1) == [1]


def test_consumers_are_counted(client: Client, other: Client) -> None:
    """Per queue, over all connections."""
    queue = client.queue()
    client.inbox(queue)
    inbox = other.inbox(queue)
    assert client.consumers(queue) == 2
    inbox.consumer.cancel()
    assert client.consumers(queue) == 1


def test_prefetch_bounds_what_is_held(client: Client) -> None:
    """No third message before one of two is acknowledged; the others stay in the queue."""
    queue = client.queue()
    client.put(queue, 1, 2, 3, 4)
    inbox = client.inbox(queue, prefetch_count=2)
    inbox.wait(2)
    assert client.count(queue) == 2
    inbox.messages[0].ack()
    assert inbox.bodies(3) == [1, 2, 3]
    assert client.count(queue) == 1


def test_prefetch_can_be_raised_while_consuming(client: Client) -> None:
    """For the whole channel, as Celery's worker does it for each ETA."""
    queue = client.queue()
    client.put(queue, *range(5))
    client.channel.basic_qos(0, 1, True)
    inbox = client.inbox(queue)
    inbox.wait(1)
    assert client.count(queue) == 4
    inbox.consumer.qos(prefetch_count=3, apply_global=True)
    assert inbox.bodies(3) == [0, 1, 2]
    assert client.count(queue) == 2


def test_prefetch_can_be_lowered_while_consuming(client: Client) -> None:
    """What is held stays held; nothing more comes until fewer are."""
    queue = client.queue()
    client.put(queue, *range(5))
    client.channel.basic_qos(0, 3, True)
    inbox = client.inbox(queue)
    inbox.wait(3)
    inbox.consumer.qos(prefetch_count=1, apply_global=True)
    inbox.messages[0].ack()
    inbox.messages[1].ack()
    assert client.count(queue) == 2
    inbox.messages[2].ack()
    assert inbox.bodies(4) == [0, 1, 2, 3]
    assert client.count(queue) == 1


def test_prefetch_of_a_channel_is_shared_by_its_consumers(client: Client) -> None:
    """With apply_global: two queues, one limit."""
    first, second = client.queue(), client.queue()
    client.put(first, 1, 2)
    client.put(second, 3, 4)
    client.channel.basic_qos(0, 2, True)
    inbox = client.inbox(first, second)
    inbox.wait(2)
    assert client.count(first) + client.count(second) == 2


def test_no_limit_is_no_limit(client: Client) -> None:
    """prefetch_count=0 gives all there is."""
    queue = client.queue()
    client.put(queue, *range(300))
    inbox = client.inbox(queue, prefetch_count=0)
    assert inbox.bodies(300) == list(range(300))
    assert client.count(queue) == 0


def test_consumers_of_one_queue_share_its_messages(client: Client, other: Client) -> None:
    """Each message to one of them, and both get some."""
    queue = client.queue()
    inboxes = {one: one.inbox(queue, prefetch_count=1) for one in (client, other)}
    client.put(queue, *range(10))
    done: list[tuple[Client, int]] = []

    def all_done() -> bool:
        for one, inbox in inboxes.items():
            with contextlib.suppress(TimeoutError):
                one.connection.drain_events(timeout=0.05)
            while inbox.messages:
                message = inbox.messages.pop()
                done.append((one, message.payload))
                message.ack()
        return len(done) == 10

    wait_until("ten messages", all_done)
    assert sorted(number for _, number in done) == list(range(10))
    assert {one for one, _ in done} == {client, other}


def test_a_consumer_that_is_busy_keeps_nothing_from_another(client: Client, other: Client) -> None:
    """One message is all that a prefetch count of one lets it hold, though it goes on listening."""
    queue = client.queue()
    busy = client.inbox(queue, prefetch_count=1)
    client.put(queue, *range(6))
    busy.wait(1)
    free = other.inbox(queue, prefetch_count=1)

    def others_done() -> bool:
        with contextlib.suppress(TimeoutError):
            client.connection.drain_events(timeout=0.01)
        with contextlib.suppress(TimeoutError):
            other.connection.drain_events(timeout=0.05)
        for message in free.messages:
            if not message.acknowledged:
                message.ack()
        return len(free.messages) == 5

    wait_until("all the others", others_done)
    assert [message.payload for message in busy.messages] == [0]


def test_a_consumer_that_no_longer_listens_keeps_nothing_from_another(client: Client, other: Client) -> None:
    """A worker whose loop is busy with a task: what it has no room for is free to go elsewhere."""
    queue = client.queue()
    busy = client.inbox(queue, prefetch_count=1)
    client.put(queue, 0)
    busy.wait(1)
    client.put(queue, 1, 2, 3)
    assert other.inbox(queue).bodies(3) == [1, 2, 3]


def test_without_acknowledgement_messages_are_gone_when_given(client: Client) -> None:
    """no_ack: nothing returns, and acknowledging breaks nothing."""
    queue = client.queue()
    client.put(queue, 1, 2)
    inbox = client.inbox(queue, no_ack=True)
    inbox.wait(2)[0].ack()
    client.close()
    assert [m.payload for m in inbox.messages] == [1, 2]


def test_what_was_given_without_acknowledgement_does_not_return(client: Client, other: Client) -> None:
    """Neither from a consumer nor from get()."""
    queue = client.queue()
    client.put(queue, 1, 2)
    client.take(queue, no_ack=True)
    client.inbox(queue, no_ack=True).wait(1)
    client.close()
    other.put(queue, 3)
    assert [m.payload for m in other.take(queue)] == [3]


def test_no_ack_knows_no_prefetch(client: Client) -> None:
    """There is nothing to count."""
    queue = client.queue()
    client.put(queue, *range(5))
    inbox = client.inbox(queue, no_ack=True, prefetch_count=1)
    assert inbox.bodies(5) == list(range(5))


def test_a_content_type_that_is_not_accepted_is_refused(client: Client, other: Client) -> None:
    """The error comes out of drain_events, and consuming can go on."""
    queue = client.queue()
    inbox = client.inbox(queue, on_message=None, callbacks=[print], accept=["json"])
    other.put(queue, {"a": 1}, serializer="pickle")
    with pytest.raises(ContentDisallowed):
        inbox.wait(1)
    assert inbox.consumer.consuming_from(queue)


def test_what_cannot_be_decoded_goes_to_its_own_callback(client: Client) -> None:
    """on_decode_error takes the message and the error, and consuming goes on."""
    queue = client.queue()
    wrong: list[Exception] = []
    right: list[Any] = []

    def on_decode_error(message: Message, error: Exception) -> None:
        wrong.append(error)
        message.reject()

    client.inbox(
        queue,
        on_message=None,
        callbacks=[lambda body, _: right.append(body)],
        on_decode_error=on_decode_error,
        accept=["json"],
    )
    client.put(queue, b"{no json", content_type="application/json", content_encoding="utf-8")
    client.put(queue, {"a": 1}, serializer="pickle")
    client.put(queue, {"a": 1})
    drain(client.connection, "the right one", lambda: right)
    assert right == [{"a": 1}]
    assert [type(error) for error in wrong] == [DecodeError, ContentDisallowed]


def test_an_error_in_a_callback_leaves_the_message_with_its_consumer(client: Client, other: Client) -> None:
    """It comes out of drain_events; the message returns when the channel closes."""
    queue = client.queue()

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    inbox = client.inbox(queue, on_message=None, callbacks=[fail])
    other.put(queue, "hello")
    with pytest.raises(ZeroDivisionError):
        inbox.wait(1)
    assert client.count(queue) == 0
    client.close()
    assert [m.payload for m in other.take(queue)] == ["hello"]


def test_the_consumer_of_highest_priority_comes_first(client: Client, other: Client) -> None:
    """x-priority, RabbitMQ's argument: the others get what it has no room for."""
    queue = client.queue()
    second = client.inbox(queue)
    first = other.inbox(Queue(queue.name, consumer_arguments={"x-priority": 10}), prefetch_count=2)
    client.put(queue, 1, 2, 3)
    assert first.bodies(2) == [1, 2]
    assert second.bodies(1) == [3]


def test_a_deleted_queue_ends_its_consumers(client: Client, other: Client) -> None:
    """Their connection hears of it at once: on_cancel, or the error ConsumerCancelled."""
    queue = client.queue()
    told: list[str] = []
    queue.consume(consumer_tag="mine", callback=print, on_cancel=told.append)
    queue(other.channel).delete()
    drain(client.connection, "the word", lambda: told)
    assert told == ["mine"]


def test_a_consumer_of_a_deleted_queue_that_asked_for_no_word(client: Client, other: Client) -> None:
    """It gets a recoverable error of the connection, as RabbitMQ's client makes of it."""
    queue = client.queue()
    inbox = client.inbox(queue)
    queue(other.channel).delete()
    with pytest.raises(client.connection.recoverable_connection_errors) as caught:
        inbox.wait(1)
    assert not isinstance(caught.value, TimeoutError)


def test_messages_of_two_channels_come_to_their_own(client: Client) -> None:
    """Same connection, same tag: tags are a channel's own."""
    queues = [client.queue(), client.queue()]
    found: dict[str, list[Any]] = {queue.name: [] for queue in queues}
    for queue in queues:
        channel = client.connection.channel()
        queue(channel).consume(consumer_tag="same", callback=found[queue.name].append)
    for number, queue in enumerate(queues):
        client.put(queue, number)
    drain(client.connection, "both", lambda: all(found.values()))
    assert [len(messages) for messages in found.values()] == [1, 1]


def test_a_tag_is_used_once_a_channel(client: Client) -> None:
    """530 NOT_ALLOWED: RabbitMQ closes the connection for it."""
    queue = client.queue()
    queue.consume(consumer_tag="same", callback=print)
    with pytest.raises(client.connection.connection_errors) as caught:
        client.channel.basic_consume(queue.name, consumer_tag="same", callback=print)
    assert caught.value.code == 530


def test_an_exclusive_consumer_is_the_only_one(client: Client, other: Client) -> None:
    """403 ACCESS_REFUSED for the second, of its channel."""
    queue = client.queue()
    client.channel.basic_consume(queue.name, callback=print, exclusive=True)
    with pytest.raises(other.connection.channel_errors) as caught:
        queue(other.channel).consume(callback=print)
    assert caught.value.code == 403


def test_getting_from_an_empty_queue_gives_none(client: Client) -> None:
    """At once."""
    assert client.queue().get() is None
