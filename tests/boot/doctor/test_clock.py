"""This machine's clock against the database's."""

from __future__ import annotations

import pytest

from boot.doctor import clock
from boot.doctor.finding import Level
from boot.doctor.server import Server


@pytest.mark.parametrize(
    ("ahead", "doubt", "level"),
    [
        (0.002, 0.001, Level.OK),
        (-0.9, 0.0, Level.OK),
        (1.2, 0.001, Level.WARNING),
        (-1.2, 0.001, Level.WARNING),
        (31.0, 0.5, Level.ERROR),
        (-86_400.0, 0.001, Level.ERROR),
        (1.5, 0.7, Level.OK),  # a slow line: it may be 0.8 s
        (30.5, 0.7, Level.WARNING),
    ],
)
def test_what_is_certain_is_judged(ahead: float, doubt: float, level: Level) -> None:
    """More than a second is a warning, more than half a minute an error; half the round trip is in doubt."""
    assert clock.check(Server("postgresql", clock_ahead_s=ahead, clock_doubt_s=doubt)).level is level


def test_it_says_which_clock_is_ahead_and_what_to_do() -> None:
    """With the doubt that there is."""
    behind = clock.check(Server("postgresql", clock_ahead_s=-2.5, clock_doubt_s=0.003))
    assert behind.message == "the database's is 2.500 s behind this machine's (give or take 0.003 s)"
    assert "NTP" in behind.mend
    ahead = clock.check(Server("postgresql", clock_ahead_s=2.5))
    assert "2.500 s ahead of this machine's" in ahead.message


def test_sqlite_has_no_clock() -> None:
    """Nothing to compare with."""
    assert clock.check(Server("sqlite")).level is Level.SKIPPED
