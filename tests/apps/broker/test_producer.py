"""kombu.Producer: what travels beside the body, and what becomes of a message nobody takes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from amqp.exceptions import NotFound
from kombu import Exchange, Producer, Queue

from tests.apps.broker.brokers import Broker
from tests.apps.broker.client import Client, drain, unique

Connect = Callable[..., Client]


def test_a_message_says_where_it_came_from(client: Client) -> None:
    """Exchange, routing key, whether it is its first delivery; a tag to acknowledge it by."""
    exchange = client.exchange("direct")
    queue = client.queue(None, exchange, routing_key="here")
    client.send(exchange, "here", "hello")
    message = client.take(queue)[0]
    info = message.delivery_info
    assert (info["exchange"], info["routing_key"], info["redelivered"]) == (exchange.name, "here", False)
    assert message.delivery_tag
    message.ack()


def test_a_consumer_s_message_names_the_consumer(client: Client) -> None:
    """delivery_info["consumer_tag"] is the one given to consume()."""
    queue = client.queue()
    client.put(queue, "hello")
    found: list[Any] = []
    queue.consume(consumer_tag="mine", callback=found.append)
    drain(client.connection, "the message", lambda: found)
    assert client.channel.message_to_python(found[0]).delivery_info["consumer_tag"] == "mine"


def test_amqp_s_properties_arrive(client: Client) -> None:
    """Each of the message's properties as it was sent."""
    queue = client.queue()
    sent: dict[str, Any] = {
        "correlation_id": "c-1",
        "reply_to": "answers",
        "message_id": "m-1",
        "type": "greeting",
        "app_id": "conformance",
        "priority": 3,
        "delivery_mode": 1,
    }
    client.put(queue, {"a": 1}, **sent)
    message = client.take(queue)[0]
    assert {name: message.properties.get(name) for name in sent} == sent
    assert (message.content_type, message.content_encoding) == ("application/json", "utf-8")


def test_a_timestamp_arrives(client: Client) -> None:
    """AMQP's property: whole seconds since 1970."""
    queue = client.queue()
    client.put(queue, "hello", timestamp=1_770_000_000)
    assert client.take(queue)[0].properties["timestamp"] == 1_770_000_000


def test_unknown_properties_break_nothing(client: Client) -> None:
    """Celery and its extensions pass some; AMQP drops them."""
    queue = client.queue()
    client.put(queue, "hello", nonsense=object(), correlation_id="c-1")
    assert client.take(queue)[0].properties["correlation_id"] == "c-1"


def test_headers_arrive_with_their_types(client: Client) -> None:
    """Nested, and every type of a JSON document."""
    queue = client.queue()
    sent = {
        "text": "grüße 🚲",
        "none": None,
        "yes": True,
        "number": 2**53 + 1,
        "negative": -7,
        "float": 0.5,
        "list": [1, "two", [3], {"four": None}],
        "nested": {"deeper": {"deepest": [True]}},
        "empty": {},
        "nul": "a\0b",
    }
    client.put(queue, "hello", headers=sent)
    assert client.take(queue)[0].headers == sent


def test_headers_of_other_types_arrive(client: Client) -> None:
    """AMQP's tables know dates, decimals and bytes as well."""
    queue = client.queue()
    sent = {
        "when": datetime(2026, 2, 3, 4, 5, 6),  # noqa: DTZ001 - py-amqp takes and gives UTC without a zone
        "price": Decimal("12.50"),
        "bytes": b"abc",
    }
    client.put(queue, "hello", headers=sent)
    found = client.take(queue)[0].headers
    assert found["when"].replace(tzinfo=None) == sent["when"]
    assert found["price"] == sent["price"]
    assert found["bytes"] in (b"abc", "abc")


def test_no_headers_are_no_headers(client: Client) -> None:
    """An empty dict, never None."""
    queue = client.queue()
    client.put(queue, "hello")
    assert client.take(queue)[0].headers == {}


def test_a_producer_of_a_channel_and_one_of_a_connection(client: Client) -> None:
    """Both publish; the second makes a channel when it needs one."""
    queue = client.queue()
    for source in (client.channel, client.connection):
        Producer(source).publish("hello", routing_key=queue.name)
    assert client.count(queue) == 2


def test_its_exchange_and_routing_key_are_the_default(client: Client) -> None:
    """And the exchange is declared with the first message."""
    exchange = Exchange(unique(), "topic")
    queue = client.queue(None, exchange, routing_key="a.#")
    producer = client.producer(exchange=exchange, routing_key="a.b")
    producer.publish("default")
    producer.publish("other", routing_key="b.b")
    assert client.count(queue) == 1


def test_what_it_needs_is_declared_first(client: Client) -> None:
    """declare=[queue]: the message is not lost although nobody has made the queue."""
    queue = Queue(unique(), Exchange(unique(), "direct"), routing_key="k")
    client.producer().publish("hello", exchange=queue.exchange, routing_key="k", declare=[queue])
    assert client.count(queue) == 1


def test_an_exchange_publishes_as_well(client: Client) -> None:
    """Exchange.Message and Exchange.publish, the lower interface."""
    exchange = client.exchange("direct")
    queue = client.queue(None, exchange, routing_key="k")
    message = exchange.Message("plain text", content_type="text/plain", headers={"a": 1})
    exchange.publish(message, routing_key="k")
    found = client.take(queue)[0]
    assert (found.payload, found.headers) == ("plain text", {"a": 1})


def test_an_undeliverable_message_is_dropped(client: Client) -> None:
    """No queue of that name behind the default exchange: no error either."""
    client.producer().publish("lost", routing_key=unique())
    assert client.channel.is_open


def test_a_mandatory_message_comes_back(client: Client) -> None:
    """on_return is told, with the code of AMQP, as soon as events are drained."""
    returned: list[tuple[int, str, str, Any]] = []

    def on_return(error: Any, exchange: str, routing_key: str, message: Any) -> None:
        returned.append((error.reply_code, exchange, routing_key, message.body))

    nowhere = unique()
    producer = client.producer(on_return=on_return)
    producer.publish("lost", routing_key=nowhere, mandatory=True)
    drain(client.connection, "the return", lambda: returned)
    assert [(code, exchange, key) for code, exchange, key, _ in returned] == [(312, "", nowhere)]
    assert returned[0][3] in (b"lost", "lost")


def test_a_mandatory_message_that_was_routed_stays(client: Client) -> None:
    """on_return is for those that were not."""
    queue = client.queue()
    returned: list[Any] = []
    producer = client.producer(on_return=lambda *it: returned.append(it))
    producer.publish("kept", routing_key=queue.name, mandatory=True)
    assert client.count(queue) == 1
    assert not returned


def test_an_exchange_that_does_not_exist_is_an_error(client: Client) -> None:
    """404 NOT_FOUND, of the channel: the connection and, opened anew, the channel itself can be used."""
    with pytest.raises(NotFound) as caught:
        client.send(unique(), "k", "lost")
    assert caught.value.code == 404
    assert isinstance(caught.value, client.connection.channel_errors)
    assert client.connection.connected
    assert client.queue()


def test_an_exchange_that_does_not_exist_is_an_error_without_confirms_too(connect: Connect) -> None:
    """It comes with the next answer at the latest, where the publisher does not wait for its own."""
    client = connect(transport_options={})

    def publish_and_ask() -> None:
        client.send(unique(), "k", "lost")
        client.queue()

    with pytest.raises(NotFound):
        publish_and_ask()


def test_publishing_does_not_wait_for_a_time_that_is_given(client: Client) -> None:
    """timeout and confirm_timeout are accepted."""
    queue = client.queue()
    client.put(queue, "hello", timeout=5, confirm_timeout=5)
    assert client.count(queue) == 1


def test_a_batch_arrives_whole_and_in_order(client: Client) -> None:
    """Producer.batch(): at the latest when the block ends."""
    queue = client.queue()
    producer = client.producer()
    with producer.batch(max_size=10):
        for number in range(25):
            producer.publish(number, routing_key=queue.name)
    assert [m.payload for m in client.take(queue, 25)] == list(range(25))


def test_a_batch_can_be_flushed(client: Client) -> None:
    """What came before flush() is there before the block ends."""
    queue = client.queue()
    producer = client.producer()
    with producer.batch() as batch:
        producer.publish("early", routing_key=queue.name)
        batch.flush()
        assert client.count(queue) == 1


def test_messages_are_published_from_a_callback(client: Client, other: Client) -> None:
    """A consumer answers on the channel that it consumes on."""
    asked, answered = client.queue(), client.queue()
    producer = client.producer()

    def answer(body: Any, message: Any) -> None:
        producer.publish(body + 1, routing_key=message.properties["reply_to"])
        message.ack()

    client.inbox(asked, on_message=None, callbacks=[answer])
    other.put(asked, 1, 2, reply_to=answered.name)
    drain(client.connection, "the answers", lambda: client.count(answered) == 2)
    assert sorted(m.payload for m in client.take(answered, 2)) == [2, 3]  # waiting for a confirm may nest


def test_messages_survive_without_their_publisher(broker: Broker, connect: Connect) -> None:
    """A published message does not belong to the connection that it came by."""
    first = connect()
    queue = first.queue()
    first.put(queue, "hello")
    first.close()
    assert [m.payload for m in connect().take(queue)] == ["hello"]
