"""What keeps the tables small: scheduled, on a connection of its own.

While tasks flow, workers vacuum as they go (`apps.broker.chores`). What they do not do, since it takes locks
or time, is done here: drop what expired in queues that nobody asks, give the room of a drained backlog back,
and make its indexes anew.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Final, NamedTuple

import psycopg

from apps.broker import sql

if TYPE_CHECKING:
    from apps.broker.session import Session

logger = logging.getLogger(__name__)

# An index is made anew when it is larger than this and than what its rows need several times over. An entry
# takes about 40 bytes, twice that in half full pages.
INDEX_BYTES: Final = 4_000_000
ENTRY_BYTES: Final = 300
LOCK_WAIT: Final = "10s"  # for a lock, then it is left to the next time


class Index(NamedTuple):
    """An index of a table."""

    name: str
    table: str
    size: int  # bytes
    is_valid: bool


def justifying(size: int) -> int:
    """How many rows justify an index of `size` bytes, 0 for a small one; with fewer it is made anew."""
    return math.ceil(size / ENTRY_BYTES) if size > INDEX_BYTES else 0


def maintain(session: Session) -> dict[str, int]:
    """Do what is due: numbers of expired messages dropped and of indexes made anew."""
    [(expired,)] = session.run(sql.DROP_EXPIRED)
    session.run(sql.DROP_ORPHANS)
    session.run(f"SET lock_timeout = '{LOCK_WAIT}'")
    try:
        for table in sql.QUEUE_TABLES:
            # Its last pages, if they are empty, go back to the file system.
            session.run(f"VACUUM (SKIP_LOCKED, INDEX_CLEANUP on) {table}")
        renewed = sum(_renew(session, index) for index in _indexes(session))
    finally:
        session.run("RESET lock_timeout")
    return {"expired": int(expired), "indexes": renewed}


def _indexes(session: Session) -> list[Index]:
    return [Index(*row) for row in session.run(sql.INDEXES, list(sql.QUEUE_TABLES))]


def _renew(session: Session, index: Index) -> bool:
    """Whether it was made anew. One that an interrupted attempt has left behind is dropped."""
    if not index.is_valid:
        session.run(f'DROP INDEX CONCURRENTLY IF EXISTS "{index.name}"')
        return False
    if not (wanted := justifying(index.size)):
        return False
    [(rows,)] = session.run(sql.ROWS[index.table], wanted)
    if rows >= wanted:
        return False
    try:
        session.run(f'REINDEX INDEX CONCURRENTLY "{index.name}"')
    except psycopg.errors.LockNotAvailable:
        logger.info("%s is in use; it is made anew another time", index.name)
        return False
    return True
