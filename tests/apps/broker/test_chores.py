"""When chores are due, and what follows from a look."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from apps.broker import chores
from apps.broker.chores import (
    AGAIN_S,
    DEAD_ROWS,
    VACUUM_PAUSE_MOST_S,
    VACUUM_PAUSE_S,
    Chores,
    Look,
    to_vacuum,
)
from apps.broker.session import Session
from apps.broker.unbound import Unbound

NOTHING = Look([], None, [], [], [], False, {}, 0)


class Clock:
    """Seconds that pass when told to: since a moment, and since 1970."""

    def __init__(self) -> None:
        self.now = 100.0
        self.epoch = 1_000_000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.epoch + self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(chores, "time", clock)
    return clock


@pytest.fixture
def session() -> Any:
    """One that must not be asked anything."""
    return cast("Session", SimpleNamespace(unbound=Unbound()))


@pytest.fixture
def due(clock: Clock, session: Session) -> Chores:
    return Chores(session, 5)


def test_a_look_is_read_from_its_row() -> None:
    """Ids come as text, since an array of them would be one more type."""
    look = Look.of(("7,12", 1.5, ["q"], ["gone"], ["x"], True, 1, 2, 3, 4))
    assert (look.dead, look.due_in_s, look.waiting, look.missing, look.bound) == (
        [7, 12], 1.5, ["q"], ["gone"], ["x"],
    )  # fmt: skip
    assert look.may_expire
    assert look.dead_rows == {"broker_message": 1, "broker_delivery": 3, "broker_delayed": 4}
    assert look.live_messages == 2
    assert Look.of((None, None, [], [], [], False, 0, 0, 0, 0)).dead == []


def test_the_first_look_is_due_at_once(due: Chores, clock: Clock) -> None:
    """Somebody may have died while nobody was there."""
    assert due.next_at() <= clock.now


@pytest.mark.parametrize(
    ("message", "delivery", "delayed", "live", "tables"),
    [
        (0, 0, 0, 0, []),
        (DEAD_ROWS - 1, DEAD_ROWS - 1, DEAD_ROWS - 1, 0, []),
        (DEAD_ROWS, 0, 0, 0, ["broker_message"]),
        (0, DEAD_ROWS, DEAD_ROWS, 10**6, ["broker_delivery", "broker_delayed"]),
        (DEAD_ROWS, 0, 0, 10**6, []),
        (DEAD_ROWS + 50_000, 0, 0, 10**6, ["broker_message"]),
    ],
)
def test_tables_with_many_dead_rows_are_vacuumed(
    message: int, delivery: int, delayed: int, live: int, tables: list[str]
) -> None:
    """A long queue waits until it is worth a walk through its index."""
    rows = {"broker_message": message, "broker_delivery": delivery, "broker_delayed": delayed}
    assert to_vacuum(NOTHING._replace(dead_rows=rows, live_messages=live)) == tables


MANY = NOTHING._replace(dead_rows={"broker_delivery": DEAD_ROWS})


def test_a_vacuum_that_helped_may_be_needed_again_soon(due: Chores, clock: Clock) -> None:
    """But not at once: the counts lag behind."""
    assert "broker_delivery" in str(due.looked(MANY))
    assert due.looked(NOTHING) is None
    assert due.looked(MANY) is None
    clock.now += VACUUM_PAUSE_S
    assert due.looked(MANY) is not None


def test_a_vacuum_that_helps_nothing_comes_less_and_less_often(due: Chores, clock: Clock) -> None:
    """An old snapshot sees the rows still; when it is gone, all is as before."""
    assert due.looked(MANY)
    pauses = []
    for _ in range(9):
        began = clock.now
        while not due.looked(MANY):
            clock.now += VACUUM_PAUSE_S
        pauses.append(clock.now - began)
    assert pauses[:3] == [2 * VACUUM_PAUSE_S, 4 * VACUUM_PAUSE_S, 8 * VACUUM_PAUSE_S]
    assert pauses[-2:] == [VACUUM_PAUSE_MOST_S, VACUUM_PAUSE_MOST_S]
    due.looked(NOTHING)
    clock.now += VACUUM_PAUSE_S
    assert due.looked(MANY)


def test_a_delayed_message_is_seen_to_when_it_is_due(due: Chores, clock: Clock) -> None:
    """Even if the next look comes later."""
    due.next_tick = clock.now + 1
    due.looked(NOTHING._replace(due_in_s=0.25))
    assert due.next_at() == clock.now + 0.25
    due.looked(NOTHING)
    assert due.next_at() == clock.now + 1


def test_one_that_is_late_is_seen_to_in_a_moment(due: Chores, clock: Clock) -> None:
    """Another session may have it in hand; asking without a pause would keep both busy."""
    due.looked(NOTHING._replace(due_in_s=-5.0))
    assert due.next_due == clock.now + AGAIN_S


def test_of_announced_times_the_earliest_counts(due: Chores, clock: Clock) -> None:
    """They come as seconds since 1970, as publishers' clocks have them."""
    for seconds in (3.0, 1.0, 2.0):
        due.due_at_epoch(clock.time() + seconds)
    assert due.next_due == pytest.approx(clock.now + 1)
    due.due_at_epoch(clock.time() - 100)
    assert due.next_due == clock.now


def test_what_is_announced_during_a_look_counts(due: Chores, clock: Clock) -> None:
    """Its snapshot is older; so it is until the next look has begun."""
    due.look_begins(clock.now)
    due.due_at_epoch(clock.time() + 0.2)
    due.looked(NOTHING._replace(due_in_s=0.9))
    assert due.next_due == pytest.approx(clock.now + 0.2)
    due.look_begins(clock.now)
    due.looked(NOTHING)
    assert due.next_due is None


def test_after_some_were_due_more_may_be(due: Chores, clock: Clock) -> None:
    """They become ready a thousand at a time."""
    due.promoted(1000)
    assert due.next_due == clock.now


def test_after_none_was_due_a_look_says_when_the_next_one_is(due: Chores, clock: Clock) -> None:
    """The server's clock may be a little behind ours, or another session have them in hand."""
    due.next_tick = clock.now + 1
    due.promoted(0)
    assert due.next_due is None
    assert due.next_at() == clock.now + AGAIN_S


def test_a_vacuum_stops_nobody() -> None:
    """It waits for no lock, and takes none that others would wait for."""
    statement = chores.vacuum(["a", "b"])
    assert "SKIP_LOCKED" in statement
    assert "TRUNCATE off" in statement
    assert statement.endswith("a, b")
