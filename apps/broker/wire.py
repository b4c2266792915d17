"""Prepared statements on one psycopg connection, waited for or not.

psycopg's own cursors wait for each answer; Celery's event loop must not. So this sends a statement, hands out the socket,
and collects the answer when it is there, with psycopg's libpq wrapper and psycopg's adapters.
"""

from __future__ import annotations

import itertools
import select
from collections.abc import Sequence
from typing import Any, Final

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ConnStatus, ExecStatus, Format

Row = tuple[Any, ...]

# A connection comes back from the pool with the statements that its last user prepared.
_numbers = itertools.count()

_FAILED: Final = (ExecStatus.FATAL_ERROR, ExecStatus.BAD_RESPONSE)


class Wire:
    """One statement at a time: `run` waits for it, `send` does not and `answer` fetches what came.

    All raise psycopg's errors. After one that ended the connection, `is_open` is false.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._pgconn = connection.pgconn
        self._transformer = Transformer(connection)
        self._names: dict[str, bytes] = {}
        self.is_waiting = False  # for an answer

    @property
    def is_open(self) -> bool:
        return bool(self._pgconn.status == ConnStatus.OK)

    def fileno(self) -> int:
        """The socket, to be watched for reading."""
        return int(self._pgconn.socket)

    @property
    def backend_pid(self) -> int:
        """As the server, or a pooler in its place, said when the connection began."""
        return int(self._pgconn.backend_pid)

    def run(self, statement: str, *parameters: Any) -> list[Row]:
        """The rows of a statement."""
        self.send(statement, *parameters)
        return self._collect()

    def send(self, statement: str, *parameters: Any) -> None:
        """Start a statement; its answer is to be fetched before the next one."""
        name = self._names.get(statement) or self._prepare(statement)
        formats = [PyFormat.BINARY if _is_binary(value) else PyFormat.TEXT for value in parameters]
        values = self._transformer.dump_sequence(parameters, formats)
        self._pgconn.send_query_prepared(
            name, values, param_formats=self._transformer.formats, result_format=Format.BINARY
        )
        self.is_waiting = True
        self._flush()

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
        return bool(watched.poll(None if timeout_s is None else max(0, timeout_s * 1000)))

    def _prepare(self, statement: str) -> bytes:
        name = b"broker_%d" % next(_numbers)
        self._pgconn.send_prepare(name, statement.encode())
        self.is_waiting = True
        self._flush()
        self._collect()
        self._names[statement] = name
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


def _is_binary(value: Any) -> bool:
    """Bytes, and lists of bytes or text: to escape them costs more than the rest of a statement."""
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return bool(value) and isinstance(value[0], (str, bytes))
    return isinstance(value, bytes)
