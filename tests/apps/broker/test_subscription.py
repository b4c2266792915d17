"""Which queues are worth asking, and from where."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.broker.announcement import LOOK_AGAIN_S, Announcements
from apps.broker.subscription import START, Hot, Position

Q = "q"
HERE: Position = (-3, 17)
T = 1000.0  # when a test begins; seconds


@pytest.fixture
def hot() -> Hot:
    return Hot()


def answer_short(hot: Hot, now: float) -> None:
    """It is asked, and holds no more than that."""
    hot.answered(Q, now, hot.ask(Q, now), None)


def test_a_queue_that_nobody_spoke_of_is_not_asked(hot: Hot) -> None:
    """An idle consumer asks nothing."""
    assert not hot.is_worth_asking(Q, T)
    assert hot.next_at(T) is None


def test_a_queue_that_was_notified_is_asked_twice(hot: Hot) -> None:
    """At once, and when what was published in the publisher's pause has been committed."""
    hot.notified(Q, T)
    assert hot.is_worth_asking(Q, T)
    answer_short(hot, T)
    assert not hot.is_worth_asking(Q, T + LOOK_AGAIN_S * 0.9)
    assert hot.next_at(T) == T + LOOK_AGAIN_S
    assert hot.is_worth_asking(Q, T + LOOK_AGAIN_S)
    answer_short(hot, T + LOOK_AGAIN_S)
    assert not hot.is_worth_asking(Q, T + 60)
    assert hot.next_at(T + 60) is None


def test_another_notification_is_not_made_to_wait(hot: Hot) -> None:
    """And puts the second look off."""
    hot.notified(Q, T)
    answer_short(hot, T)
    hot.notified(Q, T + 0.005)
    assert hot.is_worth_asking(Q, T + 0.005)
    answer_short(hot, T + 0.005)
    assert hot.next_at(T + 0.005) == T + 0.005 + LOOK_AGAIN_S


def test_a_queue_that_is_known_to_hold_something_is_asked_once(hot: Hot) -> None:
    """A look found messages there; nobody counts on a second one."""
    hot.known([Q])
    assert hot.is_worth_asking(Q, T)
    answer_short(hot, T)
    assert not hot.is_worth_asking(Q, T + LOOK_AGAIN_S)


def test_knowing_does_not_take_a_second_look_away(hot: Hot) -> None:
    """The publisher's pause may still be on."""
    hot.notified(Q, T)
    answer_short(hot, T)
    hot.known([Q])
    assert hot.next_at(T) == T + LOOK_AGAIN_S


def test_a_full_answer_is_followed_by_the_next(hot: Hot) -> None:
    """From where it ended, past what has just been deleted."""
    hot.known([Q])
    assert hot.ask(Q, T) == START
    hot.answered(Q, T, START, HERE)
    assert hot.is_worth_asking(Q, T)
    assert hot.ask(Q, T) == HERE


def test_a_queue_is_empty_only_when_asked_from_its_start(hot: Hot) -> None:
    """What came back lies before the position."""
    hot.known([Q])
    hot.answered(Q, T, hot.ask(Q, T), HERE)
    hot.answered(Q, T, hot.ask(Q, T), None)
    assert hot.is_worth_asking(Q, T)
    assert hot.ask(Q, T) == START


@pytest.mark.parametrize("tell", [lambda hot: hot.known([Q]), lambda hot: hot.notified(Q, T)])
def test_a_backlog_does_not_hide_what_is_new(hot: Hot, tell: Callable[[Hot], None]) -> None:
    """A message of a higher priority, say, or one that came back."""
    hot.known([Q])
    hot.answered(Q, T, hot.ask(Q, T), HERE)
    tell(hot)
    assert hot.ask(Q, T) == START


def test_the_end_of_a_queue_that_is_cold_is_no_news(hot: Hot) -> None:
    """An answer may come late."""
    hot.answered(Q, T, START, None)
    assert not hot.is_worth_asking(Q, T)


# Publishers and a consumer that follow these rules, with a server and a clock that are made up.


Publication = tuple[float, float, Position]  # a pause before it, how long its commit takes, its place


@dataclass(order=True)
class Event:
    at: float
    number: int
    do: Callable[[float], None] = field(compare=False)


class World:
    """Many publishers and one consumer of one queue, and no look of once a second to help."""

    def __init__(self, room: int, claim_s: float) -> None:
        self.events: list[Event] = []
        self.waiting: set[Position] = set()
        self.hot = Hot()
        self.room, self.claim_s = room, claim_s
        self.is_asking = False

    def at(self, when: float, do: Callable[[float], None]) -> None:
        heapq.heappush(self.events, Event(when, len(self.events), do))

    def run(self) -> None:
        while self.events:
            event = heapq.heappop(self.events)
            event.do(event.at)

    # The publisher's side: one statement after another, as `Publisher.publish` runs them.

    def publisher(self, begin: float, plan: list[Publication]) -> None:
        clock = [begin]
        self._publish(clock, Announcements(lambda: clock[0]), list(plan), begin)

    def _publish(
        self, clock: list[float], announcements: Announcements, plan: list[Publication], now: float
    ) -> None:
        if not plan:
            return
        (pause, commit, position), *rest = plan

        def begin(now: float) -> None:
            clock[0] = now
            announced = announcements.publishing(("", Q))

            def committed(now: float) -> None:
                self.waiting.add(position)
                if announced:
                    self.notify(now)

            def confirmed(now: float) -> None:
                clock[0] = now
                if announcements.published(("", Q), announced):
                    self.at(now + commit, self.notify)
                self._publish(clock, announcements, rest, now)

            self.at(now + commit, committed)
            self.at(now + 1.5 * commit, confirmed)

        self.at(now + pause, begin)

    # The consumer's side: as the pump does

    def notify(self, now: float) -> None:
        self.hot.notified(Q, now)
        self.turn(now)

    def turn(self, now: float) -> None:
        if self.is_asking:
            return
        if self.hot.is_worth_asking(Q, now):
            position = self.hot.ask(Q, now)
            self.is_asking = True
            self.at(now + self.claim_s / 2, lambda at: self.claim(at, now, position))
        elif (later := self.hot.next_at(now)) is not None:
            self.at(later, self.turn)

    def claim(self, now: float, asked_at: float, position: Position) -> None:
        found = sorted(each for each in self.waiting if each > position)[: self.room]
        self.waiting.difference_update(found)

        def answered(now: float) -> None:
            self.is_asking = False
            self.hot.answered(Q, asked_at, position, found[-1] if len(found) == self.room else None)
            self.turn(now)

        self.at(now + self.claim_s / 2, answered)


milliseconds = st.integers(0, 120).map(lambda tenths: tenths / 10_000)
plans = st.lists(st.tuples(milliseconds, milliseconds, st.integers(-3, 0)), max_size=12)


@settings(max_examples=120, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(milliseconds, plans), min_size=1, max_size=4), st.integers(1, 4), milliseconds)
def test_nothing_is_left_waiting(
    publishers: list[tuple[float, list[tuple[float, float, int]]]], room: int, claim_s: float
) -> None:
    """However publications, commits and claims fall, with one notification in a pause: all is asked for."""
    world = World(room, claim_s)
    number = 0
    for begin, plan in publishers:
        numbered = []
        for pause, commit, rank in plan:
            number += 1
            numbered.append((pause, commit, (rank, number)))
        world.publisher(T + begin, numbered)
    world.run()
    assert world.waiting == set()
