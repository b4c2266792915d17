"""Which publications wake their consumers."""

from __future__ import annotations

import pytest

from apps.broker.announcement import PAUSE_S, Announcements

HERE, THERE = ("", "here"), ("", "there")


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def announcements(clock: Clock) -> Announcements:
    return Announcements(clock)


def test_the_first_publication_is_announced(announcements: Announcements) -> None:
    """Along with its message, and not once more."""
    assert announcements.publishing(HERE)
    assert not announcements.published(HERE, announced=True)


def test_what_follows_within_the_pause_is_not(announcements: Announcements, clock: Clock) -> None:
    """The woken consumer's second look finds it."""
    announcements.publishing(HERE)
    clock.now += PAUSE_S * 0.9
    assert not announcements.publishing(HERE)
    assert not announcements.published(HERE, announced=False)


def test_after_the_pause_one_is_announced_again(announcements: Announcements, clock: Clock) -> None:
    """And begins another pause."""
    announcements.publishing(HERE)
    clock.now += PAUSE_S
    assert announcements.publishing(HERE)
    assert not announcements.publishing(HERE)


def test_what_was_committed_after_the_pause_is_announced_by_itself(
    announcements: Announcements, clock: Clock
) -> None:
    """The second look may have been too early for it."""
    announcements.publishing(HERE)
    assert not announcements.publishing(HERE)
    clock.now += PAUSE_S
    assert announcements.published(HERE, announced=False)
    assert not announcements.published(HERE, announced=False)


def test_destinations_have_pauses_of_their_own(announcements: Announcements) -> None:
    """A busy queue does not silence another."""
    assert announcements.publishing(HERE)
    assert announcements.publishing(THERE)


def test_many_destinations_take_no_memory_for_ever(announcements: Announcements) -> None:
    """Reply queues come and go; forgetting one costs a notification."""
    for number in range(5000):
        announcements.publishing(("", f"reply {number}"))
    assert len(announcements._begun) <= 1001
