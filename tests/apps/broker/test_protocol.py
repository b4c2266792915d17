"""The ownership protocol on a real server: never lost, never with two, and gone when acknowledged.

    PROTOCOL_EXAMPLES=2000 .venv/bin/pytest tests/apps/broker/test_protocol.py -k lost_or_owned

plays so many runs, other ones each time; 2000 take about ten minutes. Without the variable it plays the same
few each time.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from functools import partialmethod
from typing import Final, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RULE_MARKER, run_state_machine_as_test
from pytest_django import DjangoDbBlocker

from apps.broker import chores, sql
from apps.broker.chores import Chores, Look
from tests.apps.broker.nursery import Client, Nursery
from tests.apps.broker.own_database import conninfo, own_database
from tests.apps.broker.play import tick
from tests.apps.broker.protocol import Protocol
from tests.apps.broker.stage import Local, Stage

EXAMPLES: Final = int(os.environ.get("PROTOCOL_EXAMPLES", "0"))
PLAIN: Final = settings(
    deadline=None,
    database=None,
    derandomize=not EXAMPLES,
    suppress_health_check=list(HealthCheck),
    stateful_step_count=40,
    max_examples=EXAMPLES or 40,
)
SHORT: Final = settings(
    PLAIN, derandomize=True, max_examples=100, phases=[Phase.generate], report_multiple_bugs=False
)


@pytest.fixture(scope="module")
def stage(django_db_blocker: DjangoDbBlocker) -> Iterator[Stage]:
    with django_db_blocker.unblock(), own_database("doorito_protocol") as url:
        nursery = Nursery(conninfo(url))
        stage = Stage(url, nursery)
        try:
            yield stage
        finally:
            stage.close()
            nursery.close()


@pytest.fixture
def protocol(stage: Stage) -> type[Protocol]:
    """The machine, on a database of its own."""
    return type("Protocol", (Protocol,), {"stage": stage})


def test_no_message_is_lost_or_owned_twice(protocol: type[Protocol]) -> None:
    """Whatever sessions do, and whenever they die."""
    run_state_machine_as_test(protocol, settings=PLAIN)


def test_a_killed_process_owns_nothing_although_its_child_lives(stage: Stage) -> None:
    """The child has inherited the connection; a lock that stayed with it would keep every message."""
    client = stage.join(in_a_process=True)
    assert isinstance(client, Client)
    try:
        client.fork()
        client.kill()
        stage.until_gone(client.backend_pid)
    finally:
        client.hang_up()


@pytest.mark.parametrize("is_exclusive", [True, False], ids=["exclusive", "auto-delete"])
def test_a_reaper_that_dies_midway_leaves_nothing_undone(stage: Stage, is_exclusive: bool) -> None:
    """A queue that ends with its session does, whoever reaps it at last."""
    stage.clear()
    owner, reaper, heir = clients = [Local(stage.engine) for _ in range(3)]
    try:
        kind = (is_exclusive, not is_exclusive, "{}", owner.id if is_exclusive else None)
        owner.run(sql.DECLARE_QUEUE, "own", False, *kind, *[None] * 5)
        owner.run(sql.SUBSCRIBE, owner.id, "own", "1:tag", False, False)
        stage.terminate(owner.backend_pid)
        stage.until_gone(owner.backend_pid)
        stage.obstruct_the_end_of("own")
        reaping = stage.start(chores.reap, reaper.session, [owner.id], 5)
        stage.until_held_up(reaping, reaper.backend_pid)
        stage.terminate(reaper.backend_pid)
        stage.until_gone(reaper.backend_pid)
        stage.let_go()
        Chores(heir.session, 5).looked(Look.of(heir.run(*tick(heir))[0]))
        assert heir.run(sql.FIND_QUEUE, "own") == []
    finally:
        stage.settle()
        for client in clients:
            client.session.abandon()


def test_whoever_reconnects_does_not_end_the_reaper_of_the_old_session(stage: Stage) -> None:
    """A reaper holds the dead session's lock for a moment, and is not the session."""
    stage.clear()
    owner, reaper = clients = [Local(stage.engine), Local(stage.engine)]
    try:
        owner.run(sql.DECLARE_QUEUE, "own", False, True, False, "{}", owner.id, *[None] * 5)
        stage.terminate(owner.backend_pid)
        stage.until_gone(owner.backend_pid)
        stage.obstruct_the_end_of("own")
        reaping = stage.start(chores.reap, reaper.session, [owner.id], 5)
        stage.until_held_up(reaping, reaper.backend_pid)
        owner.session.abandon()  # its process makes another session, which ends the old one to be sure
        clients.append(Local(stage.engine))
        stage.let_go()
        stage.outcome(reaping, reaper.backend_pid, [])
    finally:
        stage.settle()
        for client in clients:
            client.session.abandon()


class Mutant(NamedTuple):
    """A part that is taken out, the rules that meet it, and what the machine then says."""

    statements: str
    part: str
    instead: str
    rules: str
    complaint: str


CLAIMS: Final = "CLAIM ACK_AND_CLAIM TAKE"
WAITS: Final = "waits for another session's"
WRONGLY_OVER: Final = "the sessions that are over are not the ones"
MUTANTS: Final = {
    # With the lock alone a claim waits for the other one, and gets what comes next.
    "skip-locked": Mutant(CLAIMS, "SKIP LOCKED", "", "claim hold_up_a_claim", WAITS),
    # Without it, too, since it deletes; and gets nothing, for what it had found is gone.
    "row-locks": Mutant(CLAIMS, "FOR UPDATE SKIP LOCKED", "", "claim hold_up_a_claim", WAITS),
    "session-lock": Mutant("REGISTER", "pg_advisory_lock(", "concat(", "claim tick", WRONGLY_OVER),
    "sessions-without-a-row": Mutant(
        "TICK", "UNION SELECT session_id FROM broker_delivery", "", "claim die tick", WRONGLY_OVER
    ),
    "reapers-lock": Mutant(
        "REAP", "pg_try_advisory_xact_lock(", "0 < num_nonnulls(", "claim reap_the_living", "of the living"
    ),
    "owner": Mutant(
        "ACK", "session_id = $1::int", "$1::int > 0", "claim speak_of_what_is_not_ones_own", "was touched"
    ),
    "deaths": Mutant("REAP", "deaths + death, story", "deaths, story", "claim die tick", "too many"),
}


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS.keys())
def test_the_protocol_needs_each_part(
    protocol: type[Protocol], monkeypatch: pytest.MonkeyPatch, mutant: Mutant
) -> None:
    """One is taken out, and the machine notices; to be quick about it, with the rules alone that meet it."""
    for name in mutant.statements.split():
        statement = getattr(sql, name)
        assert mutant.part in statement
        monkeypatch.setattr(sql, name, statement.replace(mutant.part, mutant.instead))
    with pytest.raises(AssertionError, match=mutant.complaint):
        run_state_machine_as_test(_with_only(protocol, mutant.rules), settings=SHORT)


def test_the_protocol_needs_a_reaper(protocol: type[Protocol], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one, messages stay with the dead."""
    monkeypatch.setattr(chores, "reap", lambda *_: None)
    with pytest.raises(AssertionError, match="sessions that are over"):
        run_state_machine_as_test(_with_only(protocol, "claim die tick"), settings=SHORT)


def _with_only(protocol: type[Protocol], rules: str) -> type[Protocol]:
    """The other rules are plain methods, which the machine does not choose."""
    others = {
        name: partialmethod(member)
        for name, member in inspect.getmembers(protocol, inspect.isfunction)
        if hasattr(member, RULE_MARKER) and name not in rules.split()
    }
    return type("Mutant", (protocol,), others)
