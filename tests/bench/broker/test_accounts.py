"""Losses and repetitions are counted right: a benchmark that cannot see them proves nothing."""

from __future__ import annotations

import pytest

from tests.bench.broker import accounts
from tests.bench.broker.accounts import Disruption

# Two workers; w1 is killed at 10.0 with task 3 running, 2 just ended, 1 long acknowledged.
LEDGER = """\
begin 1 w1 11 9.000
end 1 w1 11 9.100
begin 2 w1 12 9.950
end 2 w1 12 9.990
begin 3 w1 13 9.995
begin 4 w2 21 9.990
end 4 w2 21 10.010
begin 3 w2 21 10.020
end 3 w2 21 10.040
begin 1 w2 22 10.500
end 1 w2 22 10.510
"""
STEPS = accounts.parse(LEDGER.splitlines())
BEFORE = [step for step in STEPS if step.at < 10]
KILL = Disruption(10.0, 10.0, accounts.in_progress(BEFORE, frozenset({"w1"}), 10.0))


def test_the_last_task_of_each_killed_process_is_in_progress() -> None:
    """With the one that ended too recently to be acknowledged, without the one that surely was."""
    assert KILL.in_progress == {2, 3}


def test_what_begins_while_the_server_restarts_is_in_progress() -> None:
    """It came through a connection that is gone."""
    during = [*BEFORE, *accounts.parse(["begin 9 w1 12 10.100"])]
    assert accounts.in_progress(during, frozenset({"w1"}), 10.0) == {2, 3, 9}


def test_a_task_that_was_taken_and_never_ended_is_missing() -> None:
    """What the publisher is unsure of is not counted."""
    known = accounts.sent(["sent 1", "sent 5", "unsure 6 OperationalError"])
    assert known - accounts.ended(STEPS) == {5}


def test_a_repetition_is_superfluous_unless_its_task_was_in_progress() -> None:
    """Task 3 may run again; task 1 had been acknowledged."""
    assert accounts.repeated(STEPS) == {1, 3}
    assert accounts.superfluous(STEPS, [KILL]) == {1}
    assert accounts.ages(STEPS, [KILL]) == [pytest.approx(0.9)]


def test_repetitions_are_held_against_what_was_in_progress_at_their_disruption() -> None:
    """Two ran again after a kill that found two in progress; none may where it found one."""
    assert accounts.beyond(STEPS, [KILL]) == 0
    assert accounts.beyond(STEPS, [Disruption(10.0, 10.0, frozenset({3}))]) == 1


def test_pauses_and_returns_are_counted_from_the_end_of_the_disruption() -> None:
    """Any next task, and the killed ones."""
    assert accounts.pauses(STEPS, [KILL]) == [pytest.approx(0.02)]
    assert accounts.pauses(STEPS, [Disruption(11.0, 11.0, frozenset())]) == [None]
    assert accounts.returns(STEPS, [KILL]) == [pytest.approx(0.02)]
