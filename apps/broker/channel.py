"""AMQP's channel: publishing, consuming and acknowledging, in RabbitMQ's terms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from amqp import exceptions as amqp_errors
from amqp.exceptions import error_for_code
from kombu.utils.uuid import uuid

from apps.broker import address, envelope, queues, sql
from apps.broker.batch import Batch
from apps.broker.chores import reap, tell_given_up
from apps.broker.envelope import Prepared
from apps.broker.errors import (
    AccessRefused,
    ConnectionLost,
    ConsumerCancelled,
    NotAllowed,
    NotFound,
    PreconditionFailed,
    ResourceLocked,
)
from apps.broker.message import Message
from apps.broker.publisher import Letter, Line
from apps.broker.subscription import START, Subscription
from apps.broker.topology import Topology

if TYPE_CHECKING:
    from apps.broker.connection import Connection
    from apps.broker.session import Session
    from apps.broker.wire import Row

_NO_ROUTE = 312  # AMQP's reply code


class Channel(Topology):
    """A channel of a connection. What it has delivered and was not acknowledged returns when it closes."""

    def __init__(self, connection: Connection, channel_id: int) -> None:
        self.connection: Connection | None = connection
        self.channel_id = channel_id
        self.events: dict[str, set[Callable[..., Any]]] = defaultdict(set)
        self.no_ack_consumers: set[str] = set()
        self._subscriptions: dict[str, Subscription] = {}
        self._unacked: dict[int, int] = {}  # message ids by delivery tag, in the order of delivery
        self._last_tag = 0
        self._prefetch_count = 0

    @property
    def is_open(self) -> bool:
        return self.connection is not None

    @property
    def _connected(self) -> Connection:
        if self.connection is None:
            message = "the channel is closed"
            raise ConnectionLost(message)
        return self.connection

    @property
    def session(self) -> Session:
        return self._connected.session

    # Publishing

    def prepare_message(
        self, body: Any, priority: int | None = None, content_type: str | None = None,
        content_encoding: str | None = None, headers: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
    ) -> Prepared:  # fmt: skip
        return envelope.prepare(body, priority, content_type, content_encoding, headers, properties)

    def basic_publish(
        self,
        message: Prepared,
        exchange: str = "",
        routing_key: str = "",
        mandatory: bool = False,
        immediate: bool = False,
        **_: Any,
    ) -> None:
        """Stored, on disk, when this returns; within a transaction of Django's, when that commits.

        Raises NotFound for an exchange that does not exist. What no queue takes is dropped, or returned where
        it is mandatory.
        """
        connection = self._connected
        letter = Letter(message, exchange, routing_key)
        if connection.publisher.publish(letter):
            return
        if not exchange and self._declared_again(routing_key) and connection.publisher.publish(letter):
            return
        connection.publisher.refuse_stale(exchange, routing_key)
        if exchange and not connection.publisher.find_exchange(letter):
            raise NotFound(f"no exchange {exchange!r}")
        if mandatory:
            self._return(letter)

    def _declared_again(self, queue: str) -> bool:
        """A queue that this connection declared and that is gone (a restored or emptied database) is declared
        again.
        """
        if (declaration := self._connected.declared.get(queue)) is None:
            return False
        self._connected.client.declared_entities.clear()  # its bindings are gone as well
        self.session.run(sql.DECLARE_QUEUE, *declaration)
        return True

    def _return(self, letter: Letter) -> None:
        error = error_for_code(_NO_ROUTE, "NO_ROUTE", (50, 60), amqp_errors.ChannelError)
        handlers = self.events["basic_return"]
        if not handlers:
            raise error
        for handler in handlers:
            handler(error, letter.exchange, letter.routing_key, letter.message)

    def publish_many(self, lines: Sequence[Line]) -> int:
        """Messages straight to queues, in one statement; how many a queue took."""
        publisher = self._connected.publisher
        taken = publisher.publish_many(lines)
        lost = {line.queue for line in lines} - taken.keys()
        if again := {queue for queue in lost if self._declared_again(queue)}:
            taken |= publisher.publish_many([line for line in lines if line.queue in again])
        for queue in lost - taken.keys():
            publisher.refuse_stale("", queue)
        return sum(taken.values())

    def whole(self) -> AbstractContextManager[None]:
        """What is published inside is published at the end, all or nothing."""
        return self._connected.publisher.whole()

    def create_publish_batch(self, max_size: int) -> Batch:
        """For `kombu.Producer.batch()`."""
        return Batch(self, max_size)

    def confirm_select(self, nowait: bool = False) -> None:
        """Each publication is confirmed by its return."""

    # Consuming

    def basic_qos(
        self, prefetch_size: int = 0, prefetch_count: int = 0, a_global: bool = False, **_: Any
    ) -> None:
        """At most so many unacknowledged messages on this channel; 0 is no limit."""
        self._prefetch_count = prefetch_count
        self._connected.pump.has_room()

    def room(self) -> int:
        """How many more messages may be delivered."""
        return max(0, self._prefetch_count - len(self._unacked)) if self._prefetch_count else 2**31

    def basic_consume(
        self, queue: str = "", consumer_tag: str = "", no_local: bool = False, no_ack: bool = False,
        exclusive: bool = False, nowait: bool = False, callback: Callable[[Message], Any] | None = None,
        arguments: Mapping[str, Any] | None = None, on_cancel: Callable[[str], Any] | None = None, **_: Any,
    ) -> str:  # fmt: skip
        """The consumer's tag.

        Raises NotFound, AccessRefused where somebody consumes exclusively, NotAllowed for a tag in use.
        """
        is_durable, is_exclusive = self._find_queue(queue)[:2]
        if is_durable and not is_exclusive:  # by now Celery has declared all that it consumes
            self._connected.take_over()
        if consumer_tag in self._subscriptions:
            raise NotAllowed(f"attempt to reuse consumer tag {consumer_tag!r}")
        if self.session.run(sql.EXCLUSIVELY_CONSUMED, queue, exclusive)[0][0]:
            raise AccessRefused(f"queue {queue!r} in exclusive use, or wanted exclusively and in use")
        tag = consumer_tag or f"ctag-{uuid()}"
        mine = self.session.id  # or nobody may consume on this connection
        subscription = Subscription(self, queue, tag, no_ack, callback or _drop, on_cancel)
        self._subscriptions[tag] = subscription
        if no_ack:
            self.no_ack_consumers.add(tag)
        # It must be heard before others can see that it listens.
        self._connected.pump.add(subscription)
        # Tags are a channel's own; the table wants a session's.
        self.session.run(sql.SUBSCRIBE, mine, queue, f"{self.channel_id}:{tag}", no_ack, exclusive)
        return tag

    def basic_cancel(self, consumer_tag: str, nowait: bool = False, **_: Any) -> None:
        """No more messages; what was delivered stays the channel's."""
        subscription = self._subscriptions.pop(consumer_tag, None)
        self.no_ack_consumers.discard(consumer_tag)
        if subscription is None or self.connection is None:  # it ended with its connection
            return
        # Nobody may take it for a listener that no longer is one.
        self.session.run(sql.UNSUBSCRIBE, self.session.id, f"{self.channel_id}:{consumer_tag}")
        self._connected.pump.remove(subscription)
        self.session.run(sql.TOUCH_QUEUE, subscription.queue)
        abandoned = self.session.run(sql.ABANDONED, [subscription.queue])
        queues.delete(self.session, [row[0] for row in abandoned])

    def cancelled(self, subscription: Subscription) -> None:
        """The queue was deleted. Raises ConsumerCancelled where the consumer has not said whom to tell."""
        self._subscriptions.pop(subscription.tag, None)
        self.no_ack_consumers.discard(subscription.tag)
        self._connected.pump.remove(subscription)
        if subscription.on_cancel is None:
            raise ConsumerCancelled(subscription.tag, (60, 30))
        subscription.on_cancel(subscription.tag)

    def basic_get(self, queue: str = "", no_ack: bool = False, **_: Any) -> Message | None:
        """The next message, or None. Raises NotFound."""
        while rows := self._next(queue, no_ack):
            [(id_, redelivered, is_expired, sealed, body, _)] = rows
            if not is_expired:
                return self._message(None if no_ack else id_, None, redelivered, sealed, body)
        self._find_queue(queue)
        self.session.run(sql.TOUCH_QUEUE, queue)
        return None

    def _next(self, queue: str, no_ack: bool) -> list[Row]:
        def ask() -> list[Row]:
            if no_ack:
                return self.session.run(sql.TAKE, queue, 1, *START)
            return self.session.run(sql.CLAIM, self.session.id, queue, 1, *START)

        # Where nobody consumes, whoever asks returns what the dead had, and makes ready what is due.
        return ask() or (ask() if self._connected.pump.look() else [])

    def receive(
        self, subscription: Subscription, id_: int, redelivered: bool, sealed: str, body: bytes
    ) -> Message:
        """A message of what was claimed for a subscription."""
        return self._message(
            None if subscription.no_ack else id_, subscription.tag, redelivered, sealed, body
        )

    def hear(self, subscription: Subscription, sealed: str, body: bytes) -> Message:
        """A message of what a notification held."""
        return self._message(None, subscription.tag, False, sealed, body)

    def _message(
        self, id_: int | None, consumer_tag: str | None, redelivered: bool, sealed: str, body: bytes
    ) -> Message:
        self._last_tag += 1
        if id_ is not None:
            self._unacked[self._last_tag] = id_
        return Message(self, self._last_tag, consumer_tag, redelivered, sealed, body)

    def message_to_python(self, message: Message) -> Message:
        return message

    # Acknowledging

    def basic_ack(self, delivery_tag: int, multiple: bool = False) -> None:
        """Raises PreconditionFailed for an unknown tag, ConnectionLost once the channel is closed."""
        pump = self._connected.pump
        pump.acknowledge(self._take_tags(delivery_tag, multiple))

    def basic_reject(self, delivery_tag: int, requeue: bool = True) -> None:
        """Back into the queue, or dropped. Raises as `basic_ack` does."""
        if requeue:
            self._release(self._take_tags(delivery_tag, multiple=False), redelivered=True)
        else:
            self.basic_ack(delivery_tag)

    def basic_recover(self, requeue: bool = True) -> None:
        """Everything unacknowledged goes back into its queue."""
        ids = list(self._unacked.values())
        self._unacked.clear()
        self._release(ids, redelivered=True)

    def return_lost(self, delivery_tag: int, reason: str) -> None:
        """Back into the queue, counted as a death; after too many it becomes a dead letter."""
        [id_] = self._take_tags(delivery_tag, multiple=False)
        connection = self._connected
        connection.pump.flush()
        rows = self.session.run(
            sql.RELEASE_LOST, self.session.id, id_, connection.max_deliveries, address.client_name(), reason
        )
        connection.pump.has_room()
        tell_given_up(self.session, rows[0][0])

    def give_back(self, messages: Iterable[Message], no_ack: bool) -> None:
        """Undelivered messages return as if they had never been claimed.

        Without acknowledgement they are the consumer's.
        """
        if not no_ack and (tags := [message.delivery_tag for message in messages]):
            self._release([self._unacked.pop(tag) for tag in tags], redelivered=False)

    def _take_tags(self, tag: int, multiple: bool) -> list[int]:
        tags = [known for known in self._unacked if known <= tag] if multiple else [tag]
        if tag and tag not in self._unacked:
            raise PreconditionFailed(f"unknown delivery tag {tag}")
        return [self._unacked.pop(known) for known in tags]

    def _release(self, ids: Sequence[int], redelivered: bool) -> None:
        if ids:
            self.session.run(sql.RELEASE, self.session.id, list(ids), redelivered)
            self._connected.pump.has_room()

    # The end

    def remember(self, row: tuple[Any, ...]) -> None:
        """See Topology."""
        self._connected.declared[row[0]] = row

    def forget(self, queue: str) -> None:
        """See Topology."""
        self._connected.declared.pop(queue, None)

    def look(self) -> None:
        """See Topology."""
        self._connected.pump.look()

    def end_if_dead(self, owner: int, queue: str) -> None:
        """See Topology."""
        if not self.session.run(sql.IS_OVER, owner)[0][0]:
            raise ResourceLocked(f"cannot obtain exclusive access to locked queue {queue!r}")
        reap(self.session, [owner], self._connected.max_deliveries)
        raise NotFound(f"no queue {queue!r}")

    def flow(self, active: bool) -> None:
        """Prefetch counts are the means here; RabbitMQ's client offers this, its server refuses it too."""

    def close(self) -> None:
        """Cancel the consumers, and return what is not acknowledged."""
        connection = self.connection
        if connection is None:
            return
        try:
            if connection.session.is_open:
                connection.pump.flush()
                for tag in list(self._subscriptions):
                    self.basic_cancel(tag)
                self.basic_recover()
        finally:
            self.connection = None
            connection.channels.pop(self.channel_id, None)


def _drop(_: Message) -> None:
    """A consumer without a callback."""
