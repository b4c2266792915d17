"""Publishing: the route to a message's queues is one statement, on our connection or on Django's."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connections, transaction

from apps.broker import broadcast, envelope, sql, transactions
from apps.broker.announcement import Announcements
from apps.broker.errors import ConnectionLost
from apps.broker.routing import OWN_EXCHANGES

if TYPE_CHECKING:
    from apps.broker.envelope import Prepared
    from apps.broker.session import Session
    from apps.broker.transactions import Joining


class Letter(NamedTuple):
    """A message with its address."""

    message: Prepared
    exchange: str
    routing_key: str


class Line(NamedTuple):
    """A message straight to a queue, as PUBLISH_MANY takes it."""

    queue: str
    priority: int
    ttl_ms: int | None
    envelope: str
    body: bytes
    due_at: str | None

    @classmethod
    def of(cls, message: Prepared, queue: str) -> Line:
        """Raises TypeError for a header that JSON cannot hold."""
        return cls(
            queue, envelope.priority(message), envelope.time_to_live_ms(message),
            envelope.seal(message, "", queue), message.body, envelope.due_at(message),
        )  # fmt: skip


class Publisher:
    """Publishes for one session; within a transaction of Django's on the same tables, as part of it."""

    def __init__(self, session: Session, joining: Joining) -> None:
        self._session = session
        self._joining = joining
        self._announcements = Announcements(time.monotonic)
        self._is_whole = False  # all or nothing is asked for
        self._has_begun = False  # and a transaction of our own is open

    def publish(self, letter: Letter) -> int:
        """The number of queues that took it."""
        message, exchange, routing_key = letter
        alias = self._joining.alias()
        if alias and transactions.goes_at_once(message, exchange):
            alias = None
        is_broadcast = alias is None and not self._is_whole and broadcast.is_one(letter)
        if is_broadcast and (sent := broadcast.publish(self._session, letter)) is not None:
            return len(self._limited(sent))
        due = envelope.due_at(message)
        parameters: list[Any] = [
            exchange, routing_key, envelope.priority(message), envelope.time_to_live_ms(message),
            envelope.seal(message, exchange, routing_key), message.body,
        ]  # fmt: skip
        statement = _STATEMENTS[bool(exchange), due is not None]
        last = [due] if due else []
        if alias:
            rows = transactions.run(alias, statement, *parameters, True, *last)
            return len(self._limited(rows, alias))
        self._begin()
        destination = (exchange, routing_key)
        # What is to overtake must be known at once.
        announced = self._announcements.publishing(destination) or due is not None or parameters[2] > 0
        rows = self._session.run(statement, *parameters, announced and due is None, *last)
        if self._announcements.published(destination, announced):
            self._session.run(sql.NOTIFY, [row[0] for row in rows])
        return len(self._limited(rows))

    def publish_many(self, lines: Sequence[Line]) -> dict[str, int]:
        """Messages straight to queues, in one statement; how many each queue took."""
        columns = [list(column) for column in zip(*lines, strict=True)]
        if alias := self._joining.alias():
            rows = self._limited(transactions.run(alias, sql.PUBLISH_MANY, *columns), alias)
        else:
            self._begin()
            rows = self._limited(self._session.run(sql.PUBLISH_MANY, *columns))
        return {row[0]: row[2] for row in rows}

    def refuse_stale(self, exchange: str, routing_key: str) -> None:
        """For what no queue took. Raises Django's OperationalError where one does, unseen by the transaction.

        It is one of isolation level `repeatable read` or higher then, and older than the queue.
        """
        if (alias := self._joining.alias()) and transactions.has_snapshot(alias):
            statement = sql.HAS_ROUTES if exchange else sql.HAS_ROUTE
            if self._session.run(statement, exchange, routing_key)[0][0]:
                raise transactions.stale(alias)

    @contextlib.contextmanager
    def whole(self) -> Iterator[None]:
        """What is published inside is published at the end, all or nothing."""
        if alias := self._joining.alias():
            with transaction.atomic(using=alias):
                yield
            return
        with self._session.lock:
            self._is_whole = True
            try:
                yield
                self._end("COMMIT")
            except BaseException:
                with contextlib.suppress(ConnectionLost):
                    self._end("ROLLBACK")
                raise
            finally:
                self._is_whole = False

    def find_exchange(self, letter: Letter) -> bool:
        """Whether the exchange of a message that no queue took exists."""
        if broadcast.is_one(letter) and self._session.unbound.holds(letter.exchange, time.monotonic()):
            return True
        rows = self._session.run(sql.FIND_EXCHANGE, letter.exchange)
        if (
            rows
            and rows[0][0] == "topic"
            and not self._session.run(sql.EXCHANGE_IN_USE, letter.exchange)[0][0]
        ):
            self._session.unbound.learned(letter.exchange)
        return bool(rows) or letter.exchange in OWN_EXCHANGES

    def _begin(self) -> None:
        if self._is_whole and not self._has_begun:
            self._session.run("BEGIN")
            self._has_begun = True

    def _end(self, statement: str) -> None:
        if self._has_begun:
            self._has_begun = False
            self._session.run(statement)

    def _limited(
        self, rows: Sequence[tuple[Any, ...]], alias: str | None = None
    ) -> Sequence[tuple[Any, ...]]:
        """The same rows. Queues with a limit drop what is above it: at once, or after Django's transaction.

        Within, it would hold locks on rows that other transactions want to drop, too.
        """
        full = [row[0] for row in rows if row[1]]
        if alias is None:
            for queue in full:
                self._session.run(sql.TRIM, queue)
        elif connections[alias].in_atomic_block:
            for queue in full:
                transaction.on_commit(partial(self._trim, queue), using=alias, robust=True)
        return rows

    def _trim(self, queue: str) -> None:
        with contextlib.suppress(ConnectionLost):  # the next publication does it
            self._session.run(sql.TRIM, queue)


_STATEMENTS = {
    (False, False): sql.PUBLISH,
    (False, True): sql.PUBLISH_DELAYED,
    (True, False): sql.PUBLISH_ROUTED,
    (True, True): sql.PUBLISH_ROUTED_DELAYED,
}
