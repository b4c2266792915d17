"""Which programs hang, by histories of reports under a fake clock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boot.supervision.watchdog import MOST_STEP_S, START_S, Seen, Watchdog

LIMIT_S = 10.0


def seconds(count: float, start: float = 0.0) -> Iterator[float]:
    """A look a second."""
    return (start + second for second in range(int(count) + 1))


def found(watchdog: Watchdog, seen: Seen, times: Iterator[float]) -> list[float]:
    """When the worker was found to hang."""
    return [now for now in times if watchdog.look({"worker": seen}, now)]


@pytest.fixture
def watchdog() -> Watchdog:
    return Watchdog({"worker": LIMIT_S, "postgres": 0.0})


def test_a_silent_program_is_named_once(watchdog: Watchdog) -> None:
    """When its limit is over, and not again while it is being ended."""
    assert found(watchdog, Seen(7, 100.0), seconds(60)) == [LIMIT_S + 1]


def test_the_reason_tells_for_how_long(watchdog: Watchdog) -> None:
    """In whole seconds."""
    reasons = [watchdog.look({"worker": Seen(7, 100.0)}, now).get("worker") for now in seconds(11)]
    assert reasons[-1] == "has not reported for 11 s"


def test_a_program_that_reports_is_left_alone(watchdog: Watchdog) -> None:
    """However long it lives, and whatever its clock says."""
    for now in seconds(600):
        assert not watchdog.look({"worker": Seen(7, -now // 5)}, now)


def test_a_new_process_begins_anew(watchdog: Watchdog) -> None:
    """Its predecessor's silence is not its own."""
    assert not found(watchdog, Seen(7, None), seconds(9))
    assert not found(watchdog, Seen(8, None), seconds(9, start=10.0))


def test_a_program_has_longer_until_its_first_report(watchdog: Watchdog) -> None:
    """It imports, and waits for the database; but not for ever."""
    assert found(watchdog, Seen(7, None), seconds(300)) == [START_S + 1]


def test_a_program_without_a_limit_is_not_watched(watchdog: Watchdog) -> None:
    """Zero, or none at all."""
    for now in seconds(1000):
        assert not watchdog.look({"postgres": Seen(7, 1.0), "other": Seen(8, None)}, now)


def test_a_program_that_is_exempt_may_be_silent(watchdog: Watchdog) -> None:
    """The solo pool runs tasks in the loop that reports."""
    assert not found(watchdog, Seen(7, 100.0, is_exempt=True), seconds(1000))


def test_a_machine_that_slept_finds_nobody_hanging(watchdog: Watchdog) -> None:
    """A gap between two looks counts as two seconds: supervisord stood still as well."""
    watchdog.look({"worker": Seen(7, 100.0)}, 0.0)
    assert not watchdog.look({"worker": Seen(7, 100.0)}, 10_000.0)
    assert found(watchdog, Seen(7, 100.0), seconds(60, start=10_000.0)) == [
        10_000.0 + LIMIT_S - MOST_STEP_S + 1
    ]


@given(
    st.lists(
        st.tuples(st.floats(0.1, MOST_STEP_S), st.sampled_from(["report", "silence", "restart"])),
        max_size=200,
    )
)
def test_a_program_is_named_when_it_was_silent_for_its_limit_and_only_then(
    history: list[tuple[float, str]],
) -> None:
    """For any history: the time since its process last did something decides."""
    watchdog = Watchdog({"worker": LIMIT_S})
    now, reported, pid, silent_since, named = 0.0, 0.0, 1, 0.0, False
    watchdog.look({"worker": Seen(pid, reported)}, now)
    for step, what in history:
        now += step
        if what != "silence":
            pid, reported = (pid + 1, now) if what == "restart" else (pid, now)
            silent_since, named = now, False
        is_named = bool(watchdog.look({"worker": Seen(pid, reported)}, now))
        overdue = now - silent_since > LIMIT_S + 1e-6
        assert not (is_named and not now - silent_since > LIMIT_S - 1e-6)
        assert not (overdue and not named and not is_named)
        named = named or is_named
