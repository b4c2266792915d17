"""What kombu's own transport has left in its tables: moved over when a consumer of ours begins.

Where a worker of the old kind still runs, it keeps what it is about to take; what it or its publishers leave
later is found by the next consumer that begins.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import psycopg

from apps.broker import envelope, sql
from apps.broker.errors import BrokerUnusable
from apps.broker.publisher import Line

if TYPE_CHECKING:
    from apps.broker.session import Session

logger = logging.getLogger(__name__)

BATCH: Final = 1000  # messages read at once
_LONGEST_MS: Final = 2**62  # milliseconds; PostgreSQL's own limit is near


def move(session: Session) -> int:
    """Move all messages that nobody has taken, in one transaction; their number.

    Of several consumers that begin together one moves them. What cannot be moved stays, and is logged.
    """
    if not session.run(sql.LEGACY_EXISTS)[0][0]:
        return 0
    with session.lock:
        try:
            session.run("BEGIN")
            moved = _move_all(session)
            session.run("COMMIT")
        except (psycopg.Error, BrokerUnusable) as error:  # no right to them, or another's table of that name
            session.run("ROLLBACK")
            reason = " ".join(str(error.__cause__ or error).split())
            logger.warning("the messages in kombu_message stay there: %s", reason)
            return 0
    if moved:
        logger.info("moved %d messages from kombu_message, where kombu's own transport left them", moved)
    return moved


def opened(queue: str, payload: str) -> Line:
    """A row of kombu's table. Raises ValueError for one that is not kombu's."""
    try:
        given = json.loads(payload)
        properties = given["properties"]
        info = properties.get("delivery_info") or {}
        message = envelope.prepare(
            _body(given["body"], properties.get("body_encoding")),
            None,
            given.get("content-type"),
            given.get("content-encoding"),
            given.get("headers"),
            properties,
        )
        sealed = envelope.seal(
            message, str(info.get("exchange") or ""), str(info.get("routing_key") or queue)
        )
        ttl_ms = envelope.time_to_live_ms(message)
        due_at = envelope.due_at(message)
    except (KeyError, TypeError, AttributeError) as error:
        message_ = f"its payload is not a message: {error!r}"
        raise ValueError(message_) from error
    if ttl_ms is not None and not 0 <= ttl_ms < _LONGEST_MS:
        message_ = f"its expiration is {ttl_ms} ms"
        raise ValueError(message_)
    return Line(queue, envelope.priority(message), ttl_ms, sealed, message.body, due_at)


def _body(body: str, encoding: str | None) -> bytes:
    return base64.b64decode(body, validate=True) if encoding == "base64" else body.encode()


def _move_all(session: Session) -> int:
    if not session.run(sql.LEGACY_LOCK)[0][0]:
        return 0  # another consumer is at it
    moved = last = 0
    while rows := session.run(sql.LEGACY_NEXT, last, BATCH):
        last = rows[-1][0]
        parcels = dict(_readable(rows))
        if parcels:
            _publish(session, parcels.values())
            session.run(sql.LEGACY_TAKEN, list(parcels))
        moved += len(parcels)
    return moved


def _readable(rows: Iterable[tuple[Any, ...]]) -> Iterable[tuple[int, Line]]:
    for id_, queue, payload in rows:
        try:
            yield id_, opened(queue, payload)
        except ValueError as error:
            logger.error("message %d of kombu_message stays there: %s", id_, error)


def _publish(session: Session, parcels: Iterable[Line]) -> None:
    columns = [list(column) for column in zip(*parcels, strict=True)]
    for queue in sorted(set(columns[0])):
        # As `kombu.Queue(name)` declares it, where nobody has yet.
        session.run(sql.DECLARE_QUEUE, queue, True, False, False, "{}", *[None] * 6)
    session.run(sql.PUBLISH_MANY, *columns)
