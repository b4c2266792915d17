"""What kombu holds as the transport's connection: one session with its channels, publisher and pump."""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING, Any

from apps.broker import address, legacy, transactions
from apps.broker.channel import Channel
from apps.broker.errors import ConnectionLost
from apps.broker.publisher import Publisher
from apps.broker.pump import Pump
from apps.broker.session import CLOSED, Session

if TYPE_CHECKING:
    import kombu
    from sqlalchemy.engine import URL


class Connection:
    """A connection to the broker. Raises SQLAlchemy's OperationalError when the server is away."""

    def __init__(self, client: kombu.Connection, url: URL, max_deliveries: int) -> None:
        self.client = client
        self.max_deliveries = max_deliveries
        self.heartbeat = float(client.heartbeat or 0)  # seconds; 0 is none
        self.session = Session(address.engine(transactions.followed(url), client.connect_timeout))
        self.publisher = Publisher(self.session, transactions.joined(url))
        self.pump = Pump(self.session, max_deliveries)
        self.channels: dict[int, Channel] = {}
        self.declared: dict[str, tuple[Any, ...]] = {}  # lasting queues, by name, as they were declared
        self._ids = count(1)
        self._has_taken_over = False
        self._beaten_at = time.monotonic()

    @property
    def connected(self) -> bool:
        """Kombu silently makes a new connection of one that is not, without its consumers.

        So one that was lost remains until they have heard of it.
        """
        return self.session.is_open or self.pump.owes_word

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
        """Make sure that the server still answers, within the heartbeat. Raises ConnectionLost."""
        if not self.session.is_open:
            raise ConnectionLost(CLOSED)
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
