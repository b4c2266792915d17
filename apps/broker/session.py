"""One connection to PostgreSQL as the broker sees it: statements, and the identity that owns messages."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import psycopg
from psycopg.errors import (
    IdleInTransactionSessionTimeout,
    ReadOnlySqlTransaction,
    UndefinedColumn,
    UndefinedTable,
)

from apps.broker import pooler, sql, unbound
from apps.broker.address import client_name
from apps.broker.errors import NO_TABLES, BrokerUnusable, ConnectionLost
from apps.broker.wire import Row, Wire

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.engine import URL
    from sqlalchemy.pool import PoolProxiedConnection

CLOSED = "the connection to the broker is closed"

# Sessions that this process has ended and the server may believe in: the connection broke before a last word.
_doubtful: set[tuple[URL, int]] = set()
os.register_at_fork(after_in_child=_doubtful.clear)


class Session:
    """A checked out connection. It gets an id, and with it messages of its own, when it first needs one.

    Usable from several threads, a statement at a time. Whatever ends the connection raises ConnectionLost.
    One that is forgotten without `close` ends when its memory is collected.
    """

    def __init__(self, engine: Engine) -> None:
        """Connects. Raises SQLAlchemy's OperationalError where the server is away."""
        self.lock = threading.RLock()
        self._pid = os.getpid()
        self.unbound = unbound.of(engine)
        self._id: int | None = None
        self._url = engine.url
        self._pooled: PoolProxiedConnection | None = engine.raw_connection()
        self.wire = Wire(self._driver_connection, self._pooled.info[pooler.NAMES])
        self._listens: set[str] = set()
        self.before_statement = _nothing  # fetches what is still to come
        self.after_statement = _nothing  # notes what came along with the answer

    @property
    def is_open(self) -> bool:
        """Whether statements can be run here, and not in a fork of the process that connected."""
        return self._pooled is not None and self._pid == os.getpid() and self.wire.is_open

    @property
    def is_lost(self) -> bool:
        """Whether the connection has ended in the process that made it."""
        return self._pid == os.getpid() and not self.is_open

    @property
    def is_registered(self) -> bool:
        return self._id is not None

    @property
    def id(self) -> int:
        """The session's id, under which it owns messages and exclusive queues.

        Raises BrokerUnusable behind a pooler that shares connections.
        """
        with self.lock:
            if self._id is None:
                self._id = self._register()
                self._end_predecessors()
            return self._id

    def _register(self) -> int:
        self._require_a_session()
        self.run(sql.SETTINGS)
        [(id_,)] = self.run(sql.REGISTER, client_name())
        finalizer = weakref.finalize(self, _end, self._pooled, self._pid)
        finalizer.atexit = False  # the kernel ends connections with their process
        return int(id_)

    @property
    def _driver_connection(self) -> psycopg.Connection[Any]:
        """Raises ConnectionLost."""
        if self._pooled is None:
            raise ConnectionLost(CLOSED)
        return self._pooled.driver_connection  # type: ignore[return-value]  # SQLAlchemy knows no driver's types

    def _require_a_session(self) -> None:
        """What is owned by a lock needs a server's connection that nobody else gets."""
        if self.wire.names is None:
            with Translated(self):
                pooler.refuse_shared(self._driver_connection)
            self.wire.names = {}

    def _end_predecessors(self) -> None:
        """What this process had before it lost its connection is not to wait until the server notices."""
        if doubtful := {(url, id_) for url, id_ in _doubtful if url == self._url}:
            self.run(sql.END_SESSIONS, [id_ for _, id_ in doubtful], client_name())
            _doubtful.difference_update(doubtful)

    def run(self, statement: str, *parameters: Any) -> list[Row]:
        """The rows; of a statement without any, one row with the number of rows it changed."""
        with self.lock, Translated(self):
            if self.wire.is_waiting:
                self.before_statement()
            try:
                rows = self.wire.run(statement, *parameters)
            except BaseException:
                # A time limit, say, in the middle of it: the answer to come would be taken for the next
                # one's.
                if self.wire.is_waiting:
                    self.abandon()
                raise
            self.after_statement()
            return rows

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """What is run inside is done as a whole, or not at all."""
        with self.lock:
            self.run("BEGIN")
            try:
                yield
            except BaseException:
                with contextlib.suppress(ConnectionLost):
                    self.run("ROLLBACK")
                raise
            self.run("COMMIT")

    def require_answer(self, limit_s: float) -> None:
        """Ask something, and raise ConnectionLost where no answer comes within so many seconds."""
        with self.lock, Translated(self):
            if self.wire.is_waiting:
                self.before_statement()
            if not self.wire.is_answered(limit_s):
                self.give_up(limit_s)

    def give_up(self, limit_s: float) -> NoReturn:
        """Raises ConnectionLost: a server has been silent for so many seconds."""
        self.abandon()
        message = f"the connection to the broker was lost: no answer within {limit_s:g} s"
        raise ConnectionLost(message)

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
            self.wire.let_go()
            return
        with self._alone():
            try:
                if self._id is not None and self.wire.is_open and not self.wire.is_waiting:
                    self.wire.run(sql.FORGET, self._id)
                else:
                    self._doubt()
            except psycopg.Error:
                self._doubt()  # the next session that looks forgets it
            finally:
                pooled.invalidate()
                self.wire.let_go()

    def abandon(self) -> None:
        """End the connection without a word to a server that may not answer."""
        pooled, self._pooled = self._pooled, None
        if pooled is not None and self._pid == os.getpid():
            self._doubt()
            with self._alone():
                pooled.invalidate()
                self.wire.let_go()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """No other thread is in the middle of a statement: it would wait for ever, or in freed memory."""
        if not self.lock.acquire(blocking=False):
            self.wire.hang_up()
            self.lock.acquire()
        try:
            yield
        finally:
            self.lock.release()

    def _doubt(self) -> None:
        if self._id is not None:
            _doubtful.add((self._url, self._id))


class Translated:
    """Makes of psycopg's errors what callers can act on: connect again, or tell the operator."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __enter__(self) -> None:
        if not self._session.is_open:
            raise ConnectionLost(CLOSED)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: Any) -> None:
        if isinstance(error, (UndefinedTable, UndefinedColumn)):
            raise BrokerUnusable(NO_TABLES) from error
        if isinstance(error, (IdleInTransactionSessionTimeout, ReadOnlySqlTransaction)):
            self._session.abandon()
        if isinstance(error, psycopg.Error) and not self._session.is_open:
            message = f"the connection to the broker was lost: {' '.join(str(error).split())}"
            raise ConnectionLost(message) from error


def channel_of(queue: str) -> str:
    """The notification channel of a queue; its statement in SQL is `'broker_' || md5(name)`."""
    return "broker_" + hashlib.md5(queue.encode(), usedforsecurity=False).hexdigest()


def _end(pooled: PoolProxiedConnection | None, pid: int) -> None:
    """Else the pool would hand the connection on, and its lock keep what nobody will acknowledge."""
    if pooled is not None and pid == os.getpid() and pooled.is_valid:
        pooled.invalidate()


def _nothing() -> None:
    """Nothing is awaited."""
