"""A stop, by the clock."""

from __future__ import annotations

from pathlib import Path

import pytest
from supervisor.states import ProcessStates, SupervisorStates

from boot import drain, listener
from boot.supervision.programs import Programs
from boot.supervision.shutdown import Shutdown
from tests.boot.supervision.fakes import PRIORITIES, Process, facts, supervisord


class Stage:
    """Four programs, and a stop of theirs."""

    def __init__(self, folder: Path, drain_s: float = 0) -> None:
        self.processes = {name: Process(name) for name in PRIORITIES}
        self.supervisord = supervisord(*self.processes.values())
        programs = Programs(self.supervisord)
        self.shutdown = Shutdown(self.supervisord, programs, folder, facts(drain_s=drain_s))

    def told(self) -> set[str]:
        return {name for name, process in self.processes.items() if process.told}

    def end(self, *names: str) -> None:
        for name in names:
            self.processes[name].state = ProcessStates.STOPPED


def test_readiness_fails_before_anybody_is_told(tmp_path: Path) -> None:
    """The mark is there at the beginning of a stop, and not sooner."""
    stage = Stage(tmp_path)
    stage.shutdown.turn(0.0)
    assert not (tmp_path / drain.NAME).exists()
    assert stage.told() == set()
    stage.shutdown.begin(1.0)
    assert (tmp_path / drain.NAME).exists()


def test_all_but_the_database_are_told_at_once(tmp_path: Path) -> None:
    """It is told when the last of the others has ended; supervisord's own order is off."""
    stage = Stage(tmp_path)
    stage.shutdown.begin(0.0)
    assert stage.supervisord.stop_groups == []
    assert stage.told() == {"web", "celery-worker", "celery-beat"}
    stage.end("web", "celery-beat")
    stage.shutdown.turn(5.0)
    assert "postgres" not in stage.told()
    stage.end("celery-worker")
    stage.shutdown.turn(5.1)
    assert stage.told() == set(PRIORITIES)


def test_nobody_is_told_twice(tmp_path: Path) -> None:
    """However often the loop turns."""
    stage = Stage(tmp_path)
    stage.shutdown.begin(0.0)
    for second in range(10):
        stage.shutdown.turn(float(second))
    assert all(process.told in ([], ["stop"]) for process in stage.processes.values())


def test_the_web_server_is_told_after_its_drain(tmp_path: Path) -> None:
    """To the moment; the loop is told when that is."""
    stage = Stage(tmp_path, drain_s=4)
    stage.shutdown.begin(10.0)
    assert "web" not in stage.told()
    assert stage.shutdown.until_due(11.0) == 3.0
    stage.shutdown.turn(13.9)
    assert "web" not in stage.told()
    stage.shutdown.turn(14.0)
    assert "web" in stage.told()
    assert stage.shutdown.until_due(14.0) is None


def test_what_is_between_two_tries_is_given_up(tmp_path: Path) -> None:
    """It has no process that could be told, and gets none; its time to be told does not matter."""
    stage = Stage(tmp_path, drain_s=4)
    for name in ("celery-beat", "web", "postgres"):
        stage.processes[name].state = ProcessStates.BACKOFF
    stage.shutdown.begin(0.0)
    assert [stage.processes[name].told for name in ("celery-beat", "web", "postgres")] == [["give up"]] * 3


@pytest.mark.parametrize("state", [ProcessStates.FATAL, ProcessStates.STOPPED, ProcessStates.EXITED])
def test_nobody_waits_for_a_web_server_that_is_not_there(
    tmp_path: Path, state: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket is closed at once, drain or not."""
    closed: list[bool] = []
    monkeypatch.setattr(listener, "close", lambda: closed.append(True))
    stage = Stage(tmp_path, drain_s=4)
    stage.supervisord.options.holds_socket = True
    stage.supervisord.options.mood = SupervisorStates.SHUTDOWN
    stage.processes["web"].state = state
    stage.shutdown.begin(0.0)
    stage.shutdown.turn(1.0)
    assert closed == [True]


def test_before_a_stop_nothing_is_due(tmp_path: Path) -> None:
    """The loop sleeps."""
    assert Stage(tmp_path, drain_s=4).shutdown.until_due(0.0) is None
