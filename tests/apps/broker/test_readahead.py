"""How many messages are claimed ahead."""

from __future__ import annotations

from apps.broker.readahead import KEPT_S, MOST, ReadAhead

ROUND_TRIP_S = 0.005


def _worked(rate: float, seconds: float) -> tuple[ReadAhead, float]:
    """After so many seconds of tasks at a rate, with answers every two round trips; and the time."""
    read_ahead, now = ReadAhead(), 100.0
    read_ahead.answered(now)
    end = now + seconds
    while now < end:
        read_ahead.sent(now + ROUND_TRIP_S)
        read_ahead.acknowledged(round(rate * 2 * ROUND_TRIP_S))
        now += 2 * ROUND_TRIP_S
        read_ahead.answered(now)
    return read_ahead, now


def test_quick_tasks_have_two_round_trips_of_them_at_hand() -> None:
    """A thousand a second, 5 ms there and back: about ten."""
    read_ahead, now = _worked(1000, 1)
    assert 9 <= read_ahead.target(now) <= 11


def test_slow_tasks_have_none() -> None:
    """Each is handed out when there is room: nobody else's waits here."""
    read_ahead, now = _worked(0, 1)
    assert read_ahead.target(now) == 0


def test_none_are_wanted_once_tasks_take_their_time() -> None:
    """Else what was given back would be claimed again, for ever."""
    read_ahead, now = _worked(2000, 1)
    assert read_ahead.target(now) > 0
    assert read_ahead.target(now + KEPT_S) == 0


def test_a_number_is_never_exceeded() -> None:
    """Whatever the rate."""
    read_ahead, now = _worked(1_000_000, 1)
    assert read_ahead.target(now) == MOST


def test_it_begins_with_none() -> None:
    """Nothing is known yet."""
    assert ReadAhead().target(0.0) == 0
