"""Django's own transaction, where it is on the broker's tables: what is sent in it is part of it.

Whether it is on them is asked of the server, once a connection, since one server goes by many names. Who logs
in does not matter: Django's user then needs the rights to the broker's tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import psycopg
from celery import current_app
from django.conf import settings
from django.db import OperationalError, connections
from psycopg.pq import TransactionStatus
from psycopg.types.array import ListBinaryDumper
from psycopg.types.string import StrBinaryDumper

from apps.broker import aliases, sql

if TYPE_CHECKING:
    from apps.broker.envelope import Prepared
    from apps.broker.session import Session

_REMOTE_CONTROL: Final = ".pidbox"  # how kombu calls its exchanges
_USABLE: Final = (TransactionStatus.IDLE, TransactionStatus.INTRANS)


class Joining:
    """Finds the transaction of Django's that a session's publications belong to."""

    def __init__(self, session: Session, named: str | None) -> None:
        """`named` is the alias of the database that the broker's URL names, if it is one of Django's."""
        self._session = session
        self._named = named
        self._is_ours: dict[str, bool] = {}

    def alias(self) -> str | None:
        """Whose transaction is open in this thread, and on the broker's tables."""
        if not settings.configured or not settings.BROKER_TRANSACTIONAL:
            return None
        return next((alias for alias in _open() if self._is_same(alias)), None)

    def _is_same(self, alias: str) -> bool:
        if alias not in self._is_ours:
            if _is_broken(alias):  # it answers nothing; what is sent in it has to fail as all else does
                return alias == self._named
            self._is_ours[alias] = _tables(alias) == self._session.run(sql.TABLES)[0][0]
        return self._is_ours[alias]


def goes_at_once(message: Prepared, exchange: str) -> bool:
    """Whether it has to be sent in spite of a transaction.

    Remote control has: whoever sends it waits for the answer within the transaction. So has what a running
    task sends in its own place, a retry or a replacement: Celery raises an exception next, which rolls the
    transaction back, and it would be lost.
    """
    return exchange.endswith(_REMOTE_CONTROL) or _is_continuation(message.headers)


def _is_continuation(headers: Mapping[str, Any]) -> bool:
    nesting = headers.get("replaced_task_nesting") or 0
    if not (headers.get("retries") or nesting) or (task := current_app.current_worker_task) is None:
        return False
    return headers.get("id") == task.request.id or nesting > (task.request.replaced_task_nesting or 0)


def run(alias: str, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """The rows of one of our statements, as part of Django's transaction. Raises Django's database errors.

    With psycopg's cursor: sending a task counts as no query, whatever the broker, and DEBUG keeps no copy.
    """
    connection = connections[alias]
    connection.validate_no_broken_transaction()
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.RawCursor(connection.connection) as cursor:
        cursor.adapters.register_dumper(str, StrBinaryDumper)
        cursor.adapters.register_dumper(list, ListBinaryDumper)  # text in a list is escaped at a price
        cursor.execute(statement, parameters)
        return cursor.fetchall()


def has_snapshot(alias: str) -> bool:
    """Whether Django's transaction sees nothing that others commit while it lasts."""
    return run(alias, "SELECT current_setting('transaction_isolation')") != [("read committed",)]


def stale(alias: str) -> OperationalError:
    """What is raised where a transaction cannot see the queue that others see."""
    return OperationalError(
        f"the queue was declared after the transaction on {alias!r} took its snapshot: run that again"
    )


def _open() -> Iterator[str]:
    """Where this thread is within a transaction: by `atomic`, or with autocommit switched off."""
    for connection in connections.all(initialized_only=True):
        is_manual = connection.connection is not None and not connection.autocommit
        if (connection.in_atomic_block or is_manual) and connection.alias in aliases.postgresql():
            yield connection.alias


def _is_broken(alias: str) -> bool:
    connection = connections[alias]
    raw = connection.connection
    return connection.needs_rollback or raw is None or raw.info.transaction_status not in _USABLE


def _tables(alias: str) -> str | None:
    connection = connections[alias]
    with connection.wrap_database_errors, psycopg.RawCursor(connection.connection) as cursor:
        row = cursor.execute(sql.TABLES).fetchone()
    return row[0] if row else None
