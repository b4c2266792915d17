"""What kombu builds on queues and exchanges: broadcast, mailboxes, replies, mixins, event loops."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kombu import Connection, Exchange, Producer, Queue
from kombu.asynchronous import Hub
from kombu.common import (
    Broadcast,
    collect_replies,
    drain_consumer,
    eventloop,
    insured,
    itermessages,
    maybe_declare,
    send_reply,
)
from kombu.mixins import ConsumerMixin, ConsumerProducerMixin
from kombu.pidbox import Mailbox

from tests.apps.broker.brokers import Broker, Wire
from tests.apps.broker.client import Client, drain, unique, wait_until

Connect = Callable[..., Client]


def test_a_broadcast_comes_to_everybody(client: Client, other: Client) -> None:
    """Each listener has a queue of its own, which goes with it."""
    name = unique()
    queues = [Broadcast(name), Broadcast(name)]
    inboxes = [one.inbox(queue) for one, queue in zip((client, other), queues, strict=True)]
    client.send(Exchange(name, "fanout"), "", "to all")
    assert [inbox.bodies(1) for inbox in inboxes] == [["to all"], ["to all"]]
    other.close()
    wait_until("its end", lambda: not client.exists(queues[1]))


@pytest.mark.parametrize("size", [1, 7_000, 9_000, 1_000_000])
def test_a_broadcast_of_any_size_comes_to_everybody(client: Client, other: Client, size: int) -> None:
    """In its place among the others, also to who acknowledges and to who looks only now and then."""
    exchange = client.exchange("fanout")
    inboxes = [
        one.inbox(one.queue(None, exchange, exclusive=True), no_ack=no_ack)
        for one in (client, other)
        for no_ack in (True, False)
    ]
    polled = client.queue(None, exchange)
    bodies = ["before", "ä" * size, "after"]
    for body in bodies:
        client.send(exchange, "", body)
    assert [inbox.bodies(3) for inbox in inboxes] == [bodies] * 4
    assert [message.payload for message in client.take(polled, 3)] == bodies


def test_a_broadcast_of_all_bytes_comes_to_everybody(client: Client, other: Client) -> None:
    """Binary bodies and headers of their own."""
    exchange = client.exchange("fanout", durable=False, delivery_mode="transient")
    inbox = other.inbox(other.queue(None, exchange, exclusive=True), no_ack=True)
    body = bytes(range(256)) * 4
    client.send(exchange, "", body, serializer="raw", headers={"a": "\0"})
    (message,) = inbox.wait(1)
    assert (message.payload, message.headers) == (body, {"a": "\0"})


def test_a_broadcast_waits_for_who_is_busy(client: Client, other: Client) -> None:
    """A thousand of them, to a listener that looks once they have all been sent."""
    exchange = client.exchange("fanout")
    inbox = other.inbox(other.queue(None, exchange, exclusive=True), no_ack=True)
    for number in range(1000):
        client.send(exchange, "", number)
    assert inbox.bodies(1000) == list(range(1000))


def test_messages_come_in_kombu_s_event_loop(client: Client, other: Client) -> None:
    """register_with_event_loop and a Hub, as kombu's examples have it."""
    hub: Any = Hub()
    try:
        queue = client.queue()
        inbox = client.inbox(queue)
        client.connection.register_with_event_loop(hub)
        hub.call_soon(other.put, queue, 1, 2, 3)
        loop = hub.create_loop()

        def turn() -> bool:
            next(loop)
            return len(inbox.messages) == 3

        wait_until("three messages", turn)
        assert inbox.bodies(3) == [1, 2, 3]
    finally:
        hub.close()


def test_declaring_is_remembered(client: Client) -> None:
    """maybe_declare asks the broker once a connection."""
    queue: Any = Queue(unique())
    assert maybe_declare(queue, client.channel)
    assert not maybe_declare(queue, client.channel)
    assert client.exists(queue)


def test_an_event_loop_ends_at_its_limit(client: Client) -> None:
    """kombu.common.eventloop: so many events, then it is over."""
    queue = client.queue()
    client.put(queue, 1, 2, 3)
    inbox = client.inbox(queue)
    for _ in eventloop(client.connection, limit=30, timeout=1, ignore_timeouts=True):
        if len(inbox.messages) == 3:
            break
    assert inbox.bodies(3) == [1, 2, 3]


def test_an_event_loop_tells_when_nothing_comes(client: Client) -> None:
    """A socket.timeout, or nothing where it is to be ignored."""
    client.inbox(client.queue())
    with pytest.raises(TimeoutError):
        list(eventloop(client.connection, limit=1, timeout=0.05))
    assert list(eventloop(client.connection, 2, 0.05, ignore_timeouts=True)) == []


def test_messages_are_iterated(client: Client) -> None:
    """itermessages and drain_consumer: bodies with their messages."""
    first, second = client.queue(), client.queue()
    client.put(first, 1, 2)
    client.put(second, 3)
    found = [body for body, _ in itermessages(client.connection, client.channel, first, limit=2, timeout=5)]
    assert found == [1, 2]
    drained = drain_consumer(client.connection.Consumer([second], client.channel), limit=1, timeout=5)
    assert [body for body, _ in drained] == [3]


def test_a_request_is_answered(client: Client, other: Client) -> None:
    """reply_to and correlation_id, send_reply and collect_replies: rpc as kombu has it."""
    requests, replies = other.queue(), client.queue(exclusive=True)
    answered: list[Any] = []

    def answer(body: Any, message: Any) -> None:
        with Producer(other.channel) as producer:
            send_reply(Exchange(""), message, {"double": body * 2}, producer)
        message.ack()
        answered.append(body)

    other.inbox(requests, on_message=None, callbacks=[answer])
    client.put(requests, 21, reply_to=replies.name, correlation_id="c-1", serializer="json")
    drain(other.connection, "the request", lambda: answered)
    answers = collect_replies(client.connection, client.channel, replies, limit=1, timeout=5)
    assert list(answers) == [{"double": 42}]


def test_work_is_insured_against_a_lost_connection(broker: Broker, wire: Wire, client: Client) -> None:
    """kombu.common.insured: the function runs again over a new connection."""
    queue = client.queue()
    tries: list[str] = []

    def publish(body: Any, connection: Any, channel: Any) -> str:
        tries.append(body)
        if len(tries) == 1:
            wire.cut()
        queue(channel).queue_declare(passive=True)
        Producer(channel).publish(body, routing_key=queue.name)
        return "done"

    with Connection(broker.at(wire.port)) as connection:
        pool = connection.Pool(1)
        assert insured(pool, publish, ("hello",), {}, errback=lambda *_: None, interval_start=0) == "done"
        pool.force_close_all()
    assert tries == ["hello", "hello"]
    assert [message.payload for message in client.take(queue)] == ["hello"]


class Listener(ConsumerMixin):  # type: ignore[misc]  # kombu has no types
    """Keeps what it is told; it says when it is ready."""

    def __init__(self, connection: Any, queue: Queue) -> None:
        self.connection = connection
        self.queue = queue
        self.ready = threading.Event()
        self.heard: list[Any] = []

    def get_consumers(self, consumer: Any, channel: Any) -> list[Any]:
        return [consumer(queues=[self.queue], callbacks=[self.on_task], accept=["json"])]

    def on_consume_ready(self, *_: Any, **__: Any) -> None:
        self.ready.set()

    def on_task(self, body: Any, message: Any) -> None:
        self.heard.append(body)
        message.ack()


class Echo(ConsumerProducerMixin):  # type: ignore[misc]
    """Answers each message to where it asks for."""

    def __init__(self, connection: Any, queue: Queue) -> None:
        self.connection = connection
        self.queue = queue

    def get_consumers(self, consumer: Any, channel: Any) -> list[Any]:
        return [consumer(queues=[self.queue], on_message=self.answer, accept=["json"], prefetch_count=10)]

    def answer(self, message: Any) -> None:
        self.producer.publish(
            message.payload,
            exchange="",
            routing_key=message.properties["reply_to"],
            correlation_id=message.properties["correlation_id"],
            retry=True,
        )
        message.ack()


def run(program: Any, **options: Any) -> Iterator[Any]:
    """The program runs in a thread until the test is over."""
    thread = threading.Thread(target=program.run, kwargs=options)
    thread.start()
    try:
        yield program
    finally:
        program.should_stop = True
        thread.join()


@pytest.fixture
def listener(broker: Broker, wire: Wire) -> Iterator[Listener]:
    yield from run(Listener(Connection(broker.at(wire.port)), Queue(unique())), safety_interval=0.1)


@pytest.fixture
def echo(broker: Broker) -> Iterator[Echo]:
    yield from run(Echo(Connection(broker.url), Queue(unique())), safety_interval=0.1)


def test_a_mixin_consumes(client: Client, listener: Listener) -> None:
    """kombu.mixins.ConsumerMixin, as kombu's user guide has it."""
    listener.ready.wait(30)
    client.put(listener.queue, {"n": 1})
    wait_until("the message", lambda: listener.heard == [{"n": 1}])


def test_a_mixin_connects_again(client: Client, listener: Listener, wire: Wire) -> None:
    """After its connection was lost, and nothing is lost with it."""
    listener.ready.wait(30)
    listener.ready.clear()
    wire.cut()
    client.put(listener.queue, {"n": 2})
    wait_until("the message", lambda: listener.heard == [{"n": 2}])
    assert listener.ready.is_set()


def test_a_mixin_answers(client: Client, echo: Echo) -> None:
    """ConsumerProducerMixin publishes over a second connection."""
    wait_until("its queue", lambda: client.exists(echo.queue))
    replies = client.queue("", exclusive=True)
    client.put(echo.queue, {"n": 3}, reply_to=replies.name, correlation_id="c-3")
    (message,) = client.take(replies)
    assert (message.payload, message.properties["correlation_id"]) == ({"n": 3}, "c-3")


class Office:
    """A node of a mailbox with a state, served by a thread."""

    def __init__(self, url: str, namespace: str, name: str) -> None:
        self.heard: list[Any] = []
        self.connection: Any = Connection(url)
        self.node: Any = Mailbox(namespace, type="fanout", connection=self.connection).Node(
            name, state=self, channel=self.connection.default_channel
        )
        self.node.handler(hear)
        self.node.handler(fail)
        self.consumer = self.node.listen()
        self.should_stop = False

    def run(self) -> None:
        drain(self.connection, "the end", lambda: self.should_stop)
        self.connection.release()


def hear(state: Office, word: str = "") -> dict[str, Any]:
    """A command of the mailbox."""
    state.heard.append(word)
    return {"heard": word}


def fail(state: Office) -> None:
    """A command that fails."""
    raise ZeroDivisionError


@pytest.fixture
def offices(broker: Broker) -> Iterator[list[Office]]:
    """Two nodes of one mailbox."""
    namespace = unique()
    opened = [Office(broker.url, namespace, name) for name in ("one@here", "two@here")]
    first, second = (run(office) for office in opened)
    yield [next(first), next(second)]
    for rest in (first, second):
        assert next(rest, None) is None


def box(client: Client, offices: list[Office]) -> Any:
    """The mailbox, as whoever gives commands sees it."""
    return Mailbox(offices[0].node.mailbox.namespace, type="fanout", connection=client.connection)


def test_a_mailbox_answers_a_call(client: Client, offices: list[Office]) -> None:
    """Celery's remote control: to all, to one by name, with errors as answers."""
    mailbox = box(client, offices)
    answers = mailbox.multi_call("hear", {"word": "hello"}, timeout=10, limit=2)
    assert sorted(str(answer) for answer in answers) == [
        "{'one@here': {'heard': 'hello'}}",
        "{'two@here': {'heard': 'hello'}}",
    ]
    assert mailbox.call(["two@here"], "hear", {"word": "you"}, timeout=10) == [{"two@here": {"heard": "you"}}]
    (answer,) = mailbox.call(["one@here"], "fail", timeout=10)
    assert answer["one@here"] == {"error": "ZeroDivisionError()"}


def test_a_mailbox_takes_a_cast(client: Client, offices: list[Office]) -> None:
    """No answer is waited for."""
    mailbox = box(client, offices)
    mailbox.cast(["one@here"], "hear", {"word": "one"})
    mailbox.abcast("hear", {"word": "all"})
    wait_until("both", lambda: [office.heard for office in offices] == [["one", "all"], ["all"]])


def test_nobody_answers_in_an_empty_mailbox(client: Client) -> None:
    """After the time it was given, an empty list."""
    mailbox: Any = Mailbox(unique(), type="fanout", connection=client.connection)
    assert mailbox.multi_call("hear", timeout=0.1) == []
