"""What a test does with a broker, said shortly.

Much is typed Any: kombu's stubs know neither what its channels return nor what its messages carry.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable
from typing import Any

from amqp.exceptions import NotFound, ResourceLocked
from kombu import Connection, Consumer, Exchange, Producer, Queue

PATIENCE_S = 30.0  # seconds; a loaded machine is slow, not wrong
CONFIRMED = {"confirm_publish": True, "read_timeout": PATIENCE_S}  # of py-amqp; ours confirms always


def unique(prefix: str = "conformance") -> str:
    """A name that no other test uses."""
    return f"{prefix}-{uuid.uuid4().hex}"


class Client:
    """A connection to a broker. Its publishes return when the broker has the message."""

    def __init__(self, url: str, **options: Any) -> None:
        self.connection: Any = Connection(url, **{"transport_options": {**CONFIRMED}, **options})
        self.channel: Any = self.connection.default_channel

    def queue(self, name: str | None = None, *args: Any, channel: Any = None, **options: Any) -> Any:
        """A declared queue; of a name of its own where none is given."""
        queue: Any = Queue(unique() if name is None else name, *args, **options)(channel or self.channel)
        queue.declare()
        return queue

    def exchange(self, kind: str, **options: Any) -> Any:
        """A declared exchange with a name of its own."""
        exchange: Any = Exchange(unique(), kind, **options)(self.channel)
        exchange.declare()
        return exchange

    def producer(self, **options: Any) -> Any:
        """A producer on the connection's default channel."""
        return Producer(self.channel, **options)

    def put(self, queue: Any, *bodies: Any, **options: Any) -> None:
        """Publish messages to this queue, through the default exchange."""
        producer = self.producer()
        for body in bodies:
            producer.publish(body, routing_key=queue.name, **options)

    def send(self, exchange: Any, routing_key: str, body: Any, **options: Any) -> None:
        """Publish one message to this exchange."""
        self.producer().publish(body, exchange=exchange, routing_key=routing_key, **options)

    def take(self, queue: Any, count: int = 1, **options: Any) -> list[Any]:
        """Get this many messages from a queue, one by one, and acknowledge none."""
        here = queue(self.channel)
        found: list[Any] = []

        def got() -> bool:
            found.extend(filter(None, [here.get(**options)]))
            return len(found) == count

        wait_until(f"{count} messages", got)
        return found

    def inbox(self, *queues: Any, channel: Any = None, **options: Any) -> Inbox:
        """A consumer of these queues that keeps what it is given."""
        return Inbox(channel or self.channel, *queues, **options)

    def count(self, queue: Any) -> int:
        """How many messages wait in a queue, as a passive declare says."""
        return int(queue(self.channel).queue_declare(passive=True).message_count)

    def consumers(self, queue: Any) -> int:
        """How many consumers a queue has, as a passive declare says."""
        return int(queue(self.channel).queue_declare(passive=True).consumer_count)

    def exists(self, entity: Any) -> bool:
        """Whether the broker knows this queue or exchange."""
        with self.connection.channel() as channel:
            bound = entity(channel)
            try:
                bound.queue_declare(passive=True) if isinstance(bound, Queue) else bound.declare(passive=True)
            except NotFound:
                return False
            except ResourceLocked:  # somebody else's own
                return True
        return True

    def close(self) -> None:
        """Close the connection, in whatever state it is."""
        self.connection.release()


class Inbox:
    """Consumes, and keeps the messages in the order in which they came."""

    def __init__(self, channel: Any, *queues: Any, **options: Any) -> None:
        self.messages: list[Any] = []
        self._connection = channel.connection.client
        self.consumer: Any = Consumer(
            channel, list(queues), **{"on_message": self.messages.append, **options}
        )
        self.consumer.consume()

    def wait(self, count: int) -> list[Any]:
        """The messages, as soon as there are this many or more."""
        drain(self._connection, f"{count} messages", lambda: len(self.messages) >= count)
        return self.messages

    def bodies(self, count: int) -> list[Any]:
        """What the first messages say, as soon as there are this many."""
        return [message.decode() for message in self.wait(count)]


def drain(connection: Any, what: str, condition: Callable[[], object]) -> None:
    """Take the broker's events until `condition` holds; fail, naming `what`, when it never does."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:g} s in vain for {what}"
        with contextlib.suppress(TimeoutError):
            connection.drain_events(timeout=0.1)


def wait_until(what: str, condition: Callable[[], object]) -> None:
    """Return as soon as `condition` holds; fail, naming `what`, when it never does."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:g} s in vain for {what}"
        time.sleep(0.01)
