"""What kombu holds as the transport's connection: one session with its channels, publisher and pump."""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING, Any

from apps.broker import address, aliases, legacy, queues, sql
from apps.broker.channel import Channel
from apps.broker.errors import ConnectionLost
from apps.broker.publisher import Publisher
from apps.broker.pump import Pump
from apps.broker.session import CLOSED, Session
from apps.broker.transactions import Joining

if TYPE_CHECKING:
    import kombu
    from sqlalchemy.engine import URL


class Connection:
    """A connection to the broker. Raises SQLAlchemy's OperationalError when the server is away."""

    def __init__(self, client: kombu.Connection, url: URL, max_deliveries: int) -> None:
        self.client = client
        self.max_deliveries = max_deliveries
        self.heartbeat = float(client.heartbeat or 0)  # seconds; 0 is none
        self._alias = aliases.alias_of(url)
        self._database = aliases.database_of(self._alias)
        here = url.set(database=self._database) if self._database else url
        self.session = Session(address.engine(here, client.connect_timeout))
        self.publisher = Publisher(self.session, Joining(self.session, self._alias))
        self.pump = Pump(self.session, max_deliveries)
        self.channels: dict[int, Channel] = {}
        self.declared: dict[str, tuple[Any, ...]] = {}  # lasting queues, by name, as they were declared
        self._ids = count(1)
        self._has_taken_over = False
        self._beaten_at = time.monotonic()
        if self._alias and aliases.is_renamed(self._alias):
            aliases.before_drop(self._alias, self.close)

    @property
    def connected(self) -> bool:
        """Whether it is usable, and the database still has the name that it had: a test runner changes it.

        Kombu silently makes a new connection of one that is not, without its consumers. So one that was lost
        remains until they have heard of it.
        """
        is_usable = self.session.is_open or self.pump.owes_word
        return is_usable and aliases.database_of(self._alias) == self._database

    def channel(self) -> Channel:
        number = next(self._ids)
        self.channels[number] = Channel(self, number)
        return self.channels[number]

    def take_over(self) -> None:
        """Move what kombu's own transport has left, if this connection has not done so."""
        if not self._has_taken_over:
            legacy.move(self.session)
            self._has_taken_over = True

    def drain_events(self, timeout: float | None = None) -> None:
        """Deliver one message. Raises TimeoutError (socket.timeout) when none comes in so many seconds."""
        self.pump.drain(timeout)

    def beat(self) -> None:
        """Make sure that the server still answers, within the heartbeat if there is one.

        Raises ConnectionLost.
        """
        if not self.session.is_open:
            raise ConnectionLost(CLOSED)
        if not self.heartbeat:
            return
        if self.pump.is_attached:  # it asks every second anyway
            if self.pump.waits_longer_than(self.heartbeat):
                self.session.give_up(self.heartbeat)
        elif time.monotonic() - self._beaten_at >= self.heartbeat / 2:
            self._beaten_at = time.monotonic()
            self.session.require_answer(self.heartbeat)

    def close(self) -> None:
        """Return what is not acknowledged, and the connection to its pool."""
        try:
            for channel in list(self.channels.values()):
                channel.close()
            if self.session.is_registered and self.session.is_open:
                own = self.session.run(sql.OWN_QUEUES, self.session.id)
                queues.delete(self.session, [row[0] for row in own])
        finally:
            self.pump.end()
            self.session.close()

    def collect(self) -> None:
        """Forget a connection that is broken; its server side ends by itself."""
        self.pump.end()
        for channel in self.channels.values():
            channel.connection = None
        self.channels.clear()
        self.session.abandon()
