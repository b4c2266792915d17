"""When beat ends that was told to stop."""

from __future__ import annotations

import pytest

from apps.scheduler.stops import Stop


class Work:
    """What beat does: a turn, within which it may save the schedule. The signal comes meanwhile."""

    def __init__(self, error: Exception | None = None) -> None:
        self.stop = Stop()
        self.done: list[str] = []
        self._error = error

    def turn(self) -> None:
        with self.stop.awaits():
            self.save(signalled=True)
            if self._error:
                raise self._error
            self.done.append("the rest of the turn")
        self.done.append("the next turn")

    def save(self, *, signalled: bool = False) -> None:
        with self.stop.awaits():
            if signalled:
                self.stop.on_signal()
            self.done.append("saved")


def test_a_stop_without_work_ends_it_where_the_signal_came() -> None:
    """Beat sleeps, or has not begun."""
    with pytest.raises(SystemExit):
        Stop().on_signal()


def test_a_stop_waits_for_the_work_at_hand() -> None:
    """For all of it, also where it came within a piece of it; and nothing begins after it."""
    work = Work()
    with pytest.raises(SystemExit):
        work.turn()
    assert work.done == ["saved", "the rest of the turn"]


def test_a_stop_is_obeyed_once() -> None:
    """The schedule is saved after it, which is work as well."""
    work = Work()
    with pytest.raises(SystemExit):
        work.turn()
    work.save()
    assert work.done[-1] == "saved"


def test_what_the_work_raises_is_not_hidden() -> None:
    """The stop is obeyed at the end of the next piece then."""
    work = Work(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        work.turn()
    with pytest.raises(SystemExit):
        work.save()
