"""What every consuming session does for all of them, about once a second."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from apps.broker import queues, sql
from apps.broker.signals import given_up

if TYPE_CHECKING:
    from apps.broker.session import Session

logger = logging.getLogger(__name__)

INTERVAL_S: Final = 1.0  # seconds between two looks
AGAIN_S: Final = 0.02  # seconds until what another session has in hand is looked at again
VACUUM_PAUSE_S: Final = 5.0  # seconds between two vacuums by one session
VACUUM_PAUSE_MOST_S: Final = 320.0  # when they help nothing: an old snapshot still sees the dead rows
DEAD_ROWS: Final = 5000  # rows; about 5 MB of messages of common size
DEAD_SHARE: Final = 0.05  # of the rows of a long queue: cleaning up costs a walk through its index


class Look(NamedTuple):
    """What TICK answers."""

    dead: list[int]  # sessions
    due_in_s: float | None  # until the earliest delayed message
    waiting: list[str]  # those of our queues that hold messages
    missing: list[str]  # those that were deleted
    bound: list[str]  # exchanges that were without bindings, and are no longer
    may_expire: bool  # a queue with an expiry has not been used for that long
    dead_rows: dict[str, int]  # a table's
    live_messages: int

    @classmethod
    def of(cls, row: Sequence[Any]) -> Look:
        dead, due, waiting, missing, bound, may_expire, message, live, delivery, delayed = row
        rows = {"broker_message": message, "broker_delivery": delivery, "broker_delayed": delayed}
        return cls(
            [int(id_) for id_ in dead.split(",")] if dead else [],
            due,
            waiting,
            missing,
            bound,
            may_expire,
            rows,
            live,
        )


def to_vacuum(look: Look) -> list[str]:
    """The tables that have collected enough dead rows."""
    limits = {"broker_message": DEAD_ROWS + int(DEAD_SHARE * look.live_messages)}
    return [table for table, dead in look.dead_rows.items() if dead >= limits.get(table, DEAD_ROWS)]


def vacuum(tables: Sequence[str]) -> str:
    """The statement.

    It gives no room back to the file system, which would need a lock that stops all; nor does it wait.
    """
    return f"VACUUM (SKIP_LOCKED, TRUNCATE off, INDEX_CLEANUP on) {', '.join(tables)}"


class Chores:
    """When the next look is due, and the ones that follow from it."""

    def __init__(self, session: Session, max_deliveries: int) -> None:
        self._session = session
        self._max_deliveries = max_deliveries
        self.next_tick = 0.0
        self.next_due: float | None = None  # when the earliest delayed message is due; monotonic
        self._told_due: float | None = None  # the earliest that was announced since the last look began
        self._next_vacuum = 0.0
        self._vacuum_pause_s = VACUUM_PAUSE_S
        self._dead_rows: int | None = None  # before a vacuum whose effect has not been seen

    def next_at(self) -> float:
        return self.next_tick if self.next_due is None else min(self.next_tick, self.next_due)

    def due_at_epoch(self, epoch: float) -> None:
        """A message was published that is due then."""
        at = time.monotonic() + max(0.0, epoch - time.time())
        self._told_due = _earliest(at, self._told_due)
        self.next_due = _earliest(at, self.next_due)

    def look_begins(self, now: float) -> None:
        """What is announced from now on, the look may not see."""
        self.next_tick = now + INTERVAL_S
        self._told_due = None

    def looked(self, look: Look) -> str | None:
        """Do what is rarely necessary at once; a statement that may take longer is the answer."""
        now = time.monotonic()
        self._session.unbound.looked(look.bound, now)
        seen_due = None if look.due_in_s is None else now + max(AGAIN_S, look.due_in_s)
        self.next_due = _earliest(seen_due, self._told_due)
        if look.dead:
            reap(self._session, look.dead, self._max_deliveries)
        if look.may_expire:
            queues.expire(self._session)
        return self._vacuum(look, now)

    def _vacuum(self, look: Look, now: float) -> str | None:
        dead = sum(look.dead_rows.values())
        if self._dead_rows is not None:
            has_helped = dead < self._dead_rows / 2
            longer = min(self._vacuum_pause_s * 2, VACUUM_PAUSE_MOST_S)
            self._vacuum_pause_s = VACUUM_PAUSE_S if has_helped else longer
            self._next_vacuum = now + self._vacuum_pause_s
            self._dead_rows = None
        if not (tables := to_vacuum(look)) or now < self._next_vacuum:
            return None
        self._dead_rows = dead
        return vacuum(tables)

    def promoted(self, count: int) -> None:
        """So many delayed messages became ready; more may be due."""
        now = time.monotonic()
        if count:
            self.next_due = now
        else:  # none, or another session has them in hand
            self.next_due = None
            self.next_tick = min(self.next_tick, now + AGAIN_S)


def _earliest(*times: float | None) -> float | None:
    return min((at for at in times if at is not None), default=None)


def reap(session: Session, dead: Sequence[int], max_deliveries: int) -> None:
    """Return what the dead sessions had, and end their exclusive queues and their consumers."""
    with session.transaction():  # whoever dies in the middle of it leaves all of it to the next one
        [(_, exclusive, consumed, lost, held, clients)] = session.run(sql.REAP, list(dead), max_deliveries)
        for queue in consumed:
            session.run(sql.TOUCH_QUEUE, queue)  # in use until now
        abandoned = [row[0] for row in session.run(sql.ABANDONED, consumed)] if consumed else []
        queues.delete(session, {*exclusive, *abandoned})
    if held:
        logger.warning("%d messages returned: %s ended without giving them back", held, ", ".join(clients))
    tell_given_up(session, lost)


def tell_given_up(session: Session, ids: Sequence[int]) -> None:
    """Let the program know of messages that have become dead letters; its errors are its own."""
    for envelope, body, deaths, reason in session.run(sql.DEAD_LETTERS, list(ids)) if ids else ():
        given_up.send_robust(sender=None, envelope=envelope, body=body, deaths=deaths, reason=reason)
