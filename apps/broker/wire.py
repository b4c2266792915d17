"""Statements on one psycopg connection, prepared where that is safe, waited for or not.

psycopg's own cursors wait for each answer; Celery's event loop must not. So this sends a statement, hands out
the socket, and collects the answer when it is there, with psycopg's libpq wrapper and psycopg's adapters.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
import weakref
from collections.abc import Sequence
from typing import Any, Final
from weakref import WeakSet

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ConnStatus, ExecStatus, Format

Row = tuple[Any, ...]

_FAILED: Final = (ExecStatus.FATAL_ERROR, ExecStatus.BAD_RESPONSE)


class Wire:
    """One statement at a time: `run` waits for it, `send` does not and `answer` fetches what came.

    All raise psycopg's errors. After one that ended the connection, `is_open` is false.
    """

    def __init__(self, connection: psycopg.Connection[Any], names: dict[str, bytes] | None) -> None:
        """`names` are those of the statements that this connection has prepared; more are added.

        With None each is parsed anew: behind a pooler the next one may meet a process that does not know it.
        """
        self._pgconn = connection.pgconn
        # What is waited for outlives libpq's own, which is closed as soon as one of several threads has met
        # an error: that would wake none of the others, and gevent's loop dies of it.
        self._watched = os.dup(self._pgconn.socket)
        self._closing = weakref.finalize(self, _close, self._watched, os.getpid())
        self._closing.atexit = False
        self._waiters = 0
        self._transformer = Transformer(connection)
        self.names = names
        self.is_waiting = False  # for an answer
        _wires.add(self)

    @property
    def is_open(self) -> bool:
        return bool(self._pgconn.status == ConnStatus.OK)

    def fileno(self) -> int:
        """The socket, to be watched for reading."""
        return self._watched

    def descriptors(self) -> tuple[int, ...]:
        """All that keep the connection open in this process; none once it has ended."""
        return (self._watched, int(self._pgconn.socket)) if self.is_open else ()

    @property
    def backend_pid(self) -> int:
        """As the server, or a pooler in its place, said when the connection began."""
        return int(self._pgconn.backend_pid)

    def hang_up(self) -> None:
        """Whoever waits for the socket is woken and meets its end."""
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._watched)) as ended:
            ended.shutdown(socket.SHUT_RDWR)

    def let_go(self) -> None:
        """Nothing more is asked here. Where a thread is still waiting, its socket goes with its memory."""
        if not self._waiters:
            self._closing()

    def run(self, statement: str, *parameters: Any) -> list[Row]:
        """The rows of a statement."""
        self.send(statement, *parameters)
        return self._collect()

    def send(self, statement: str, *parameters: Any) -> None:
        """Start a statement; its answer is to be fetched before the next one."""
        name = (
            None if self.names is None else self.names.get(statement) or self._prepare(statement, self.names)
        )
        formats = [PyFormat.BINARY if _is_binary(value) else PyFormat.TEXT for value in parameters]
        values = self._transformer.dump_sequence(parameters, formats)
        known = self._transformer.formats
        if name is None:
            self._pgconn.send_query_params(
                statement.encode(), values, param_formats=known, result_format=Format.BINARY
            )
        else:
            self._pgconn.send_query_prepared(name, values, param_formats=known, result_format=Format.BINARY)
        self.is_waiting = True
        self._flush()

    def is_answered(self, limit_s: float) -> bool:
        """Whether the server answers a question of no consequence within so many seconds."""
        self._pgconn.send_query(b"SELECT 1")
        self.is_waiting = True
        self._flush()
        deadline = time.monotonic() + limit_s
        while self.answer() is None:
            if not self.wait(deadline - time.monotonic()):
                return False
            self.read()
        return True

    def answer(self) -> list[Row] | None:
        """The rows of what was sent; None while they are still to come."""
        return None if self._pgconn.is_busy() else self._collect()

    def read(self) -> None:
        """Take in what the socket has."""
        self._pgconn.consume_input()

    def notified(self) -> list[tuple[str, str]]:
        """Channel and payload of each notification taken in."""
        found = []
        while notification := self._pgconn.notifies():
            found.append((notification.relname.decode(), notification.extra.decode()))
        return found

    def wait(self, timeout_s: float | None, *others: int) -> bool:
        """Whether the socket (or one of `others`) has something to read within so many seconds."""
        watched = select.poll()
        for descriptor in (self.fileno(), *others):
            watched.register(descriptor, select.POLLIN)
        self._waiters += 1
        try:
            return bool(watched.poll(None if timeout_s is None else max(0, timeout_s * 1000)))
        finally:
            self._waiters -= 1

    def _prepare(self, statement: str, names: dict[str, bytes]) -> bytes:
        name = b"broker_%d" % len(names)
        self._pgconn.send_prepare(name, statement.encode())
        self.is_waiting = True
        self._flush()
        self._collect()
        names[statement] = name
        return name

    def _flush(self) -> None:
        # A large body may fill the socket; the server may have to be read from before it reads on.
        while self._pgconn.flush():
            watched = select.poll()
            watched.register(self.fileno(), select.POLLIN | select.POLLOUT)
            if any(event & select.POLLIN for _, event in watched.poll()):
                self._pgconn.consume_input()

    def _collect(self) -> list[Row]:
        rows: list[Row] = []
        error = None
        while True:
            while self._pgconn.is_busy():
                self.wait(None)
                self._pgconn.consume_input()
            if (result := self._pgconn.get_result()) is None:
                break
            if result.status in _FAILED:
                error = error or psycopg.errors.error_from_result(result, "utf-8")
            elif result.status == ExecStatus.TUPLES_OK:
                self._transformer.set_pgresult(result)
                rows = self._transformer.load_rows(0, result.ntuples, tuple)
            elif result.status == ExecStatus.COMMAND_OK:
                rows = [(result.command_tuples or 0,)]
        self.is_waiting = False
        if error:
            raise error
        return rows


def _close(descriptor: int, pid: int) -> None:
    if pid == os.getpid():
        os.close(descriptor)


def _is_binary(value: Any) -> bool:
    """Bytes, and lists of bytes or text: to escape them costs more than the rest of a statement."""
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return bool(value) and isinstance(value[0], (str, bytes))
    return isinstance(value, bytes)


_wires: WeakSet[Wire] = WeakSet()


def _let_go() -> None:
    # A forked child has its parent's sockets too. Were they open in it, the connection would outlive the
    # parent, and with it the lock on everything that the parent had.
    nowhere = os.open(os.devnull, os.O_RDWR)
    for wire in _wires:
        for descriptor in wire.descriptors():
            os.dup2(nowhere, descriptor, inheritable=False)
    os.close(nowhere)


os.register_at_fork(after_in_child=_let_go)
