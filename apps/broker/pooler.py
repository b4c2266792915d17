"""Connection poolers: whether one stands in between, and whether it lends the server's connection to others.

PgBouncer does so in its transaction and statement modes. A session's lock then belongs to nobody in
particular, and notifications reach whoever has that connection next: a consumer would lose messages, or never
hear of them.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any, Final

import psycopg

from apps.broker.errors import BrokerUnusable
from apps.broker.wire import Wire

NAMES: Final = "broker_statements"  # where SQLAlchemy's pool keeps what a connection has prepared
TRIES: Final = 10  # while others use the pooler, a few prove nothing
CONNECT_S: Final = 5  # seconds, for a second connection
PATIENCE_S: Final = 2.0  # seconds, for its answer: a pool that is used up makes its clients wait
REASON: Final = (
    "the broker's URL leads through a connection pooler that lends the server's connection to others between"
    " two transactions or statements, as PgBouncer does with pool_mode=transaction: a consumer's lock and"
    " LISTEN do not survive that; name the server itself in CELERY_BROKER_URL, or a pool with"
    " pool_mode=session"
)
_PID: Final = "SELECT pg_backend_pid()"


def note(connection: psycopg.Connection[Any], record: Any) -> None:
    """For SQLAlchemy's event `connect`, once for each connection: nothing is prepared behind a pooler."""
    record.info[NAMES] = None if is_between(connection) else {}


def is_between(connection: psycopg.Connection[Any]) -> bool:
    """A pooler tells its clients a number of its own, and not the pid of one of the server's processes."""
    return _pid(connection) != connection.info.backend_pid


def refuse_shared(connection: psycopg.Connection[Any]) -> None:
    """Raises BrokerUnusable where an idle connection's session of the server serves others as well."""
    if is_shared(connection):
        raise BrokerUnusable(REASON)


def is_shared(connection: psycopg.Connection[Any]) -> bool:
    """Whether somebody else can get the server's process that this idle connection had last.

    A pooler hands out the one that it got back last, so a second client gets ours at once; unless others are
    quicker, but then the two of us do not keep ours. Those who have one each, have it for good.
    """
    ours: set[int] = set()
    theirs: set[int] = set()
    with contextlib.closing(_second(connection)) as other:
        wire = Wire(other, None)
        for _ in range(TRIES):
            ours.add(_pid(connection))
            if (pid := _asked(wire)) is None:
                return False  # it waits for one of its own
            theirs.add(pid)
            if ours & theirs or len(ours) > 1 or len(theirs) > 1:
                return True
    return False


def _pid(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute(_PID, prepare=False).fetchone()
    return int(row[0]) if row else 0


def _second(connection: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """Another connection to where this one led, were there several hosts."""
    info = connection.info
    same: dict[str, Any] = {
        **info.get_parameters(),
        "host": info.host,
        "port": info.port,
        "password": info.password,
        "connect_timeout": CONNECT_S,
    }
    return psycopg.connect(**same, autocommit=True)


def _asked(wire: Wire) -> int | None:
    """The pid of the server's process there; None where none is to be had in time."""
    wire.send(_PID)
    deadline = time.monotonic() + PATIENCE_S
    while (rows := wire.answer()) is None:
        if not wire.wait(max(0.0, deadline - time.monotonic())):
            return None
        wire.read()
    return int(rows[0][0])
