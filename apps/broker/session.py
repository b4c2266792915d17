"""One connection to PostgreSQL as the broker sees it: statements, and the identity that owns messages."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from typing import TYPE_CHECKING, Any, cast

import psycopg
from psycopg.errors import (
    IdleInTransactionSessionTimeout,
    ReadOnlySqlTransaction,
    UndefinedColumn,
    UndefinedTable,
)

from apps.broker import sql, unbound
from apps.broker.address import client_name
from apps.broker.errors import BrokerUnusable, ConnectionLost
from apps.broker.wire import Row, Wire

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.pool import PoolProxiedConnection

NO_TABLES = "the broker's database lacks its tables; run: doorito broker migrate"


class Session:
    """A checked out connection. It gets an id, and with it messages of its own, when it first needs one.

    Usable from several threads, a statement at a time. Whatever ends the connection raises ConnectionLost.
    """

    def __init__(self, engine: Engine) -> None:
        """Connects. Raises SQLAlchemy's OperationalError where the server is away."""
        self.lock = threading.RLock()
        self._pid = os.getpid()
        self.unbound = unbound.of(engine)
        self._id: int | None = None
        self._pooled: PoolProxiedConnection | None = engine.raw_connection()
        prepared = self._pooled.info.setdefault("broker_statements", {})  # for as long as the pool keeps it
        self.wire = Wire(cast("psycopg.Connection[Any]", self._pooled.driver_connection), prepared)
        self._listens: set[str] = set()
        self.before_statement = _nothing  # fetches what is still to come
        self.after_statement = _nothing  # notes what came along with the answer

    @property
    def is_open(self) -> bool:
        """Whether statements can be run here, and not in a fork of the process that connected."""
        return self._pooled is not None and self._pid == os.getpid() and self.wire.is_open

    @property
    def is_registered(self) -> bool:
        return self._id is not None

    @property
    def id(self) -> int:
        """The session's id, under which it owns messages and exclusive queues."""
        if self._id is None:
            with self.lock:
                self.run(sql.SETTINGS)
                self._id = int(self.run(sql.REGISTER, client_name())[0][0])
        return self._id

    def run(self, statement: str, *parameters: Any) -> list[Row]:
        """The rows; of a statement without any, one row with the number of rows it changed."""
        with self.lock, Translated(self):
            if self.wire.is_waiting:
                self.before_statement()
            rows = self.wire.run(statement, *parameters)
            self.after_statement()
            return rows

    def listen(self, channel: str) -> None:
        """Be told what is notified on this channel."""
        if channel not in self._listens:
            self.run(f'LISTEN "{channel}"')
            self._listens.add(channel)

    def unlisten(self, channel: str) -> None:
        if channel in self._listens:
            self._listens.discard(channel)
            self.run(f'UNLISTEN "{channel}"')

    def close(self) -> None:
        """Give the connection back; one that owned something is ended, and its lock with it."""
        pooled, self._pooled = self._pooled, None
        if pooled is None or self._pid != os.getpid():
            return
        if self._id is None and self.wire.is_open and not self.wire.is_waiting and not self._listens:
            pooled.close()
            return
        if self._id is not None and self.wire.is_open and not self.wire.is_waiting:
            with contextlib.suppress(psycopg.Error):  # the next session that looks does it
                self.wire.run(sql.FORGET, self._id)
        pooled.invalidate()

    def abandon(self) -> None:
        """End the connection without a word to a server that may not answer."""
        pooled, self._pooled = self._pooled, None
        if pooled is not None and self._pid == os.getpid():
            pooled.invalidate()


class Translated:
    """Makes of psycopg's errors what callers can act on: connect again, or tell the operator."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __enter__(self) -> None:
        if not self._session.is_open:
            message = "the connection to the broker is closed"
            raise ConnectionLost(message)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: Any) -> None:
        if isinstance(error, (UndefinedTable, UndefinedColumn)):
            raise BrokerUnusable(NO_TABLES) from error
        if isinstance(error, (IdleInTransactionSessionTimeout, ReadOnlySqlTransaction)):
            self._session.abandon()
        if isinstance(error, psycopg.Error) and not self._session.is_open:
            message = f"the connection to the broker was lost: {str(error).strip()}"
            raise ConnectionLost(message) from error


def channel_of(queue: str) -> str:
    """The notification channel of a queue; its statement in SQL is `'broker_' || md5(name)`."""
    return "broker_" + hashlib.md5(queue.encode(), usedforsecurity=False).hexdigest()


def _nothing() -> None:
    """Nothing is awaited."""
