"""Publishing: the route to a message's queues is one statement, on our connection or on Django's."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from apps.broker import broadcast, envelope, sql, transactions
from apps.broker.announcement import Announcements
from apps.broker.routing import OWN_EXCHANGES

if TYPE_CHECKING:
    from apps.broker.envelope import Prepared
    from apps.broker.session import Session


class Letter(NamedTuple):
    """A message with its address."""

    message: Prepared
    exchange: str
    routing_key: str


class Publisher:
    """Publishes for one session; within a transaction of Django's on the same database, as part of it."""

    def __init__(self, session: Session, alias: str | None) -> None:
        """`alias` names Django's connection to the same database, where there is one and it is to be used."""
        self._session = session
        self._alias = alias
        self._announcements = Announcements(time.monotonic)

    def publish(self, letter: Letter) -> int:
        """The number of queues that took it."""
        if broadcast.is_one(letter) and not transactions.open_on(self._alias):
            rows = broadcast.publish(self._session, letter)
            if rows is not None:
                return self._taken(rows)
        message, exchange, routing_key = letter
        due = envelope.due_at(message)
        parameters: list[Any] = [
            exchange, routing_key, envelope.priority(message), envelope.time_to_live_ms(message),
            envelope.seal(message, exchange, routing_key), message.body,
        ]  # fmt: skip
        statement = _STATEMENTS[bool(exchange), due is not None]
        if alias := transactions.open_on(self._alias):
            return self._taken(transactions.run(alias, statement, *parameters, True, *([due] if due else [])))
        destination = (exchange, routing_key)
        announced = self._announcements.publishing(destination) or due is not None
        rows = self._session.run(statement, *parameters, announced and due is None, *([due] if due else []))
        if self._announcements.published(destination, announced):
            self._session.run(sql.NOTIFY, [row[0] for row in rows])
        return self._taken(rows)

    def publish_many(self, letters: Sequence[Letter]) -> int:
        """Messages straight to queues, in one statement; how many were taken."""
        columns = zip(*(
            (letter.routing_key, envelope.priority(letter.message), envelope.time_to_live_ms(letter.message),
             envelope.seal(*letter), letter.message.body, envelope.due_at(letter.message))
            for letter in letters
        ), strict=True)  # fmt: skip
        parameters = [list(column) for column in columns]
        if alias := transactions.open_on(self._alias):
            rows = transactions.run(alias, sql.PUBLISH_MANY, *parameters)
        else:
            rows = self._session.run(sql.PUBLISH_MANY, *parameters)
        return sum(row[1] for row in rows)

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

    def _taken(self, rows: Sequence[Sequence[Any]]) -> int:
        for queue, has_limit, _ in rows:
            if has_limit:
                self._session.run(sql.TRIM, queue)
        return len(rows)


_STATEMENTS = {
    (False, False): sql.PUBLISH,
    (False, True): sql.PUBLISH_DELAYED,
    (True, False): sql.PUBLISH_ROUTED,
    (True, True): sql.PUBLISH_ROUTED_DELAYED,
}
