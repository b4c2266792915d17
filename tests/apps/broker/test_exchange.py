"""Exchanges: which queues a message comes to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from amqp.exceptions import AccessRefused, IrrecoverableConnectionError, NotFound, PreconditionFailed
from kombu import Exchange, Queue, binding

from tests.apps.broker.client import Client, unique

Connect = Callable[..., Client]


def routed(client: Client, exchange: Any, pattern: str, *keys: str) -> list[str]:
    """Those of these routing keys whose messages come to a queue bound with the pattern."""
    queue = client.queue(None, exchange, routing_key=pattern)
    for key in keys:
        client.send(exchange, key, key)
    return [message.payload for message in client.take(queue, client.count(queue))]


def test_a_direct_exchange_compares_keys(client: Client) -> None:
    """The same, letter by letter; patterns mean nothing to it."""
    exchange = client.exchange("direct")
    assert routed(client, exchange, "a.*", "a.*", "a.b", "A.*", "a.*.") == ["a.*"]
    assert routed(client, exchange, "", "", "x") == [""]


TOPICS = {
    "*": (["a", "ab"], ["", "a.b", "."]),
    "#": (["", "a", "a.b", "a.b.c", "."], []),
    "a": (["a"], ["b", "a.b", ""]),
    "*.b": (["a.b", ".b"], ["b", "a.a.b", "a.c"]),
    "a.*": (["a.b", "a."], ["a", "a.b.c", "b.a"]),
    "a.*.c": (["a.b.c", "a..c"], ["a.c", "a.b.b.c"]),
    "#.b": (["b", "a.b", "a.a.b"], ["b.a", "ab"]),
    "a.#": (["a", "a.b", "a.b.c"], ["b.a", "ab"]),
    "a.#.c": (["a.c", "a.b.c", "a.b.b.c"], ["a", "c", "a.b", "ac"]),
    "*.#": (["a", "a.b", "a.b.c"], [""]),
    "#.*": (["a", "a.b", "a.b.c"], [""]),
    "*.*": (["a.b"], ["a", "a.b.c"]),
    "#.b.#": (["b", "a.b", "b.c", "a.b.c", "a.a.b.c.c"], ["a", "a.c", "ab.c"]),
    "#.#": (["", "a", "a.b"], []),
    "*.stock.#": (["usd.stock", "eur.stock.db"], ["stock.nasdaq"]),  # kombu's own example
    "a+b.(c)": (["a+b.(c)"], ["aab.(c)", "a+b.c", "a+bx(c)"]),
    "a_.%": (["a_.%"], ["ab.c", "a_.c"]),
}


@pytest.mark.parametrize("pattern", TOPICS)
def test_a_topic_exchange_compares_words(client: Client, pattern: str) -> None:
    """A star is one word, a hash is any number of words, none included."""
    matches, others = TOPICS[pattern]
    assert routed(client, client.exchange("topic"), pattern, *matches, *others) == matches


def test_a_fanout_exchange_looks_at_no_key(client: Client) -> None:
    """Every queue that is bound gets every message."""
    exchange = client.exchange("fanout")
    queues = [client.queue(None, exchange, routing_key=key) for key in ("", "a", "#")]
    client.send(exchange, "whatever", "hello")
    assert [client.count(queue) for queue in queues] == [1, 1, 1]


def test_a_message_comes_to_a_queue_once(client: Client) -> None:
    """However many of the queue's bindings match."""
    exchange = client.exchange("topic")
    queue = client.queue(bindings=[binding(exchange, key) for key in ("#", "a.*", "a.b")])
    client.send(exchange, "a.b", "hello")
    assert client.count(queue) == 1


def test_a_message_of_two_queues_is_two_messages(client: Client) -> None:
    """Acknowledging the one leaves the other."""
    exchange = client.exchange("direct")
    first, second = (client.queue(None, exchange, routing_key="k") for _ in range(2))
    client.send(exchange, "k", "hello")
    client.take(first)[0].ack()
    assert (client.count(first), client.count(second)) == (0, 1)


def test_the_default_exchange_knows_every_queue(client: Client) -> None:
    """By its name, and nobody can bind to it."""
    queue = client.queue(None, client.exchange("direct"), routing_key="k")
    client.put(queue, "hello")
    assert client.count(queue) == 1
    with pytest.raises(AccessRefused) as caught:
        queue.bind_to("", routing_key="other")
    assert caught.value.code == 403


@pytest.mark.parametrize("kind", ["direct", "topic", "fanout"])
def test_amqp_s_own_exchanges_are_there(client: Client, kind: str) -> None:
    """amq.direct, amq.topic, amq.fanout: nobody declares them."""
    exchange: Any = Exchange(f"amq.{kind}", kind)(client.channel)
    key = unique()
    queue = client.queue(None, exchange, routing_key=key)
    client.send(exchange, key, "hello")
    assert client.count(queue) == 1


def test_amqp_s_own_names_are_reserved(client: Client) -> None:
    """Nobody makes another exchange called amq.something."""
    with pytest.raises(AccessRefused) as caught:
        client.channel.exchange_declare(f"amq.{unique()}", "direct")
    assert caught.value.code == 403


def test_declaring_again_changes_nothing(client: Client, other: Client) -> None:
    """The same exchange, from another connection."""
    exchange = client.exchange("topic")
    queue = client.queue(None, exchange, routing_key="#")
    exchange(other.channel).declare()
    other.send(exchange, "k", "hello")
    assert client.count(queue) == 1


@pytest.mark.parametrize("change", [{"type": "fanout"}, {"durable": False}, {"auto_delete": True}])
def test_declaring_another_exchange_of_that_name_fails(client: Client, change: dict[str, Any]) -> None:
    """406 PRECONDITION_FAILED, and the first stays as it was."""
    exchange = client.exchange("direct")
    queue = client.queue(None, exchange, routing_key="k")
    options = {"type": "direct", "durable": True, "auto_delete": False, **change}
    with pytest.raises(PreconditionFailed) as caught:
        client.channel.exchange_declare(exchange.name, **options)
    assert caught.value.code == 406
    assert isinstance(caught.value, client.connection.channel_errors)
    client.send(exchange, "k", "hello")
    assert client.count(queue) == 1


def test_an_exchange_can_be_asked_for(client: Client) -> None:
    """A passive declare: 404 NOT_FOUND where there is none, and it makes none."""
    exchange = client.exchange("direct")
    exchange.declare(passive=True)
    missing: Any = Exchange(unique(), "direct")(client.channel)
    for _ in range(2):
        with pytest.raises(NotFound) as caught:
            missing.declare(passive=True)
        assert caught.value.code == 404


def test_a_kind_that_does_not_exist_is_refused(client: Client) -> None:
    """503 COMMAND_INVALID of RabbitMQ, 540 NOT_IMPLEMENTED of ours: both say not to try again."""
    with pytest.raises(IrrecoverableConnectionError) as caught:
        client.channel.exchange_declare(unique(), "carrier-pigeon")
    assert caught.value.code in (503, 540)


def test_binding_twice_is_binding_once(client: Client) -> None:
    """One message, and one unbinding ends it."""
    exchange = client.exchange("direct")
    queue = client.queue(None, exchange, routing_key="k")
    queue.queue_bind()
    client.send(exchange, "k", "hello")
    assert client.count(queue) == 1
    queue.queue_unbind()
    client.send(exchange, "k", "lost")
    assert client.count(queue) == 1


def test_unbinding_one_key_leaves_the_others(client: Client) -> None:
    """And what was never bound can be unbound."""
    exchange = client.exchange("direct")
    queue = client.queue(bindings=[binding(exchange, "a"), binding(exchange, "b")])
    queue.unbind_from(exchange, "a")
    queue.unbind_from(exchange, "never")
    client.send(exchange, "a", "lost")
    client.send(exchange, "b", "hello")
    assert client.count(queue) == 1


def test_binding_to_what_does_not_exist_fails(client: Client) -> None:
    """404 NOT_FOUND, for the exchange and for the queue."""
    queue, exchange = client.queue(), client.exchange("direct")
    with pytest.raises(NotFound):
        queue.bind_to(unique(), routing_key="k")
    with pytest.raises(NotFound):
        Queue(unique())(client.channel).bind_to(exchange.name, routing_key="k")


def test_a_binding_that_another_connection_makes_counts_at_once(client: Client, other: Client) -> None:
    """Bindings are the broker's, not a process's."""
    exchange, queue = client.exchange("direct"), client.queue()
    client.send(exchange, "k", "lost")
    queue(other.channel).bind_to(exchange, routing_key="k")
    client.send(exchange, "k", "hello")
    assert client.count(queue) == 1
    queue(other.channel).unbind_from(exchange, routing_key="k")
    client.send(exchange, "k", "lost")
    assert client.count(queue) == 1


def test_deleting_an_exchange_ends_its_bindings(client: Client) -> None:
    """A new one of that name starts with none; deleting what is gone is no error."""
    exchange = client.exchange("direct")
    queue = client.queue(None, exchange, routing_key="k")
    exchange.delete()
    exchange.delete()
    with pytest.raises(NotFound):
        client.send(exchange, "k", "lost")
    exchange(client.channel).declare()
    client.send(exchange, "k", "lost")
    assert client.count(queue) == 0


def test_an_exchange_in_use_can_be_spared(client: Client) -> None:
    """if_unused: 406 PRECONDITION_FAILED while something is bound to it."""
    exchange = client.exchange("direct")
    queue = client.queue(None, exchange, routing_key="k")
    with pytest.raises(PreconditionFailed) as caught:
        exchange.delete(if_unused=True)
    assert caught.value.code == 406
    queue.queue_unbind()
    exchange.delete(if_unused=True)
    assert not client.exists(exchange)


def test_an_auto_delete_exchange_goes_with_its_last_binding(client: Client) -> None:
    """Not before the first, and not with the last but one."""
    exchange = client.exchange("direct", auto_delete=True)
    assert client.exists(exchange)
    first, second = (client.queue(None, exchange, routing_key="k") for _ in range(2))
    first.queue_unbind()
    assert client.exists(exchange)
    second.delete()
    assert not client.exists(exchange)


@pytest.mark.refused("Celery and kombu use none; a header is not indexed as a key is")
def test_a_headers_exchange_compares_headers(client: Client) -> None:
    """x-match: all of the binding's, or any."""
    exchange = client.exchange("headers")
    every = client.queue(None, exchange, binding_arguments={"x-match": "all", "a": 1, "b": "two"})
    some = client.queue(None, exchange, binding_arguments={"x-match": "any", "a": 1, "b": "two"})
    client.send(exchange, "", "both", headers={"a": 1, "b": "two", "c": 3})
    client.send(exchange, "", "one", headers={"a": 1, "b": "other"})
    client.send(exchange, "", "none", headers={"c": 3})
    assert (client.count(every), client.count(some)) == (1, 2)


@pytest.mark.refused("kombu's own brokers have none but RabbitMQ; routing would walk a graph at each publish")
def test_an_exchange_is_bound_to_another(client: Client) -> None:
    """RabbitMQ's extension: a message goes through both."""
    front, back = client.exchange("topic"), client.exchange("fanout")
    queue = client.queue(None, back)
    back.bind_to(front, routing_key="a.#")
    client.send(front, "a.b", "hello")
    client.send(front, "b", "lost")
    assert client.count(queue) == 1
    back.unbind_from(front, routing_key="a.#")
    client.send(front, "a.b", "lost")
    assert client.count(queue) == 1


@pytest.mark.refused("unrouted messages are dropped, or returned where they are mandatory")
def test_an_alternate_exchange_takes_what_is_not_routed(client: Client) -> None:
    """RabbitMQ's extension: the exchange's argument."""
    spare = client.exchange("fanout")
    exchange = client.exchange("direct", arguments={"alternate-exchange": spare.name})
    queue = client.queue(None, spare)
    client.send(exchange, "nobody's", "hello")
    assert client.count(queue) == 1
