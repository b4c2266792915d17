"""How often is too often."""

from __future__ import annotations

from boot.supervision.restarts import Restarts


def test_a_program_may_die_as_often_as_it_is_allowed_to() -> None:
    """Five times a minute, and not a sixth time."""
    restarts = Restarts(most=5, within_s=60)
    assert [restarts.died("web", now) for now in (0, 2, 4, 6, 8)] == [None] * 5
    assert restarts.died("web", 10.4) == "ended 6 times within 10 s"


def test_deaths_long_ago_do_not_count() -> None:
    """One every thirteen seconds is four or five a minute, for ever."""
    restarts = Restarts(most=5, within_s=60)
    assert not any(restarts.died("web", now) for now in range(0, 10_000, 13))
    assert restarts.totals["web"] == 770


def test_programs_are_counted_by_themselves() -> None:
    """Two that die now and then are not one that dies often."""
    restarts = Restarts(most=1, within_s=60)
    assert restarts.died("web", 0) is None
    assert restarts.died("celery-beat", 1) is None


def test_what_somebody_did_by_hand_begins_a_new_count() -> None:
    """The total goes on."""
    restarts = Restarts(most=1, within_s=60)
    restarts.died("web", 0)
    restarts.forget("web")
    assert restarts.died("web", 1) is None
    assert restarts.totals["web"] == 2


def test_failed_starts_are_counted_and_not_judged() -> None:
    """supervisord gives up on those itself."""
    restarts = Restarts(most=1, within_s=60)
    for _ in range(8):
        restarts.failed_start("web")
    assert restarts.died("web", 0) is None
    assert restarts.totals["web"] == 9
