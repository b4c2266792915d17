"""Restarting everything by what is wanted now."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from supervisor.states import ProcessStates, SupervisorStates
from supervisor.xmlrpc import RPCError

from boot import runtime
from boot.plan import Plan
from boot.supervision.programs import Programs
from boot.supervision.renewal import HEAD_START_S, Renewal
from tests.boot.supervision.fakes import Group, Process, supervisord

NOW = 1000.0


class Stage:
    """A supervisord with these programs, whose configuration differs as it is told."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.folder = folder
        runtime.write_facts(folder, {"old": True})
        self.processes = {name: Process(name) for name in names}
        self.supervisord = supervisord(*self.processes.values())
        self.supervisord.options.environ_expansions = {}
        self.supervisord.options.process_config = self._process_config
        self.supervisord.diff_to_active = lambda: self.differences
        self.supervisord.add_process_group = self._add
        self.supervisord.remove_process_group = self._remove
        self.differences: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
        self.problem = ""
        self.reported: set[str] = set()
        self.renewal = Renewal(self.supervisord, Programs(self.supervisord), self.reported.__contains__)

    def begin(self, **environ: str) -> Any:
        return self.renewal.begin(
            Plan(environ, {"new": True}, {"celery-worker-high.conf": "new"}), self.folder, NOW
        )

    def end(self, *names: str) -> None:
        for name in names:
            self.processes[name].state = ProcessStates.STOPPED

    def begin_and_start_by_hand(self) -> Process:
        """The worker, which somebody has started while it waited for the web server."""
        self.begin()
        self.end("web", "celery-worker")
        self.renewal.turn(NOW)
        worker = self.processes["celery-worker"]
        worker.state, worker.laststart = ProcessStates.RUNNING, 5.0
        self.renewal.turn(NOW)
        return worker

    def _process_config(self, do_usage: bool) -> None:
        assert not do_usage
        if self.problem:
            raise ValueError(self.problem)

    def _add(self, group: Any) -> None:
        self.processes[group.name] = process = Process(group.name, pid=8)
        self.supervisord.process_groups[group.name] = Group(process)

    def _remove(self, name: str) -> None:
        assert not self.supervisord.process_groups[name].get_unstopped_processes()
        del self.supervisord.process_groups[name]


def group(name: str) -> Any:
    return SimpleNamespace(name=name)


@pytest.fixture(autouse=True)
def _environ() -> Iterator[None]:
    """Whatever a test makes of it, this process keeps its own."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def test_each_program_starts_again_when_it_has_stopped(tmp_path: Path) -> None:
    """The database is left alone."""
    stage = Stage(tmp_path, "postgres", "celery-worker", "celery-beat")
    changes = stage.begin(A="new")
    assert changes == {"restarting": ["celery-worker", "celery-beat"], "added": [], "removed": []}
    stage.renewal.turn(NOW)
    assert {name: process.told for name, process in stage.processes.items()} == {
        "postgres": [],
        "celery-worker": ["stop"],
        "celery-beat": ["stop"],
    }
    stage.end("celery-beat")
    stage.renewal.turn(NOW)
    assert stage.processes["celery-beat"].told == ["stop", "spawn"]
    assert stage.processes["celery-worker"].told == ["stop"]
    stage.end("celery-worker")
    for _ in range(3):
        stage.renewal.turn(NOW)
    assert stage.processes["celery-worker"].told == ["stop", "spawn"]


def test_the_web_server_has_a_head_start(tmp_path: Path) -> None:
    """While it loads the others wait: so do requests, and all of them at once would take longer."""
    stage = Stage(tmp_path, "web", "celery-worker", "celery-beat")
    stage.begin()
    stage.end("celery-beat")
    stage.renewal.turn(NOW)
    assert stage.processes["celery-beat"].told == ["stop", "spawn"]  # that finishes its requests
    assert stage.renewal.until_due() is None  # its end is an event
    stage.end("web", "celery-worker")
    stage.renewal.turn(NOW)
    assert stage.processes["web"].told == ["stop", "spawn"]
    assert stage.processes["celery-worker"].told == ["stop"]
    assert stage.renewal.until_due() is not None
    stage.reported.add("web")
    stage.renewal.turn(NOW)
    assert stage.processes["celery-worker"].told == ["stop", "spawn"]
    assert stage.renewal.until_due() is None


def test_a_web_server_that_does_not_come_holds_up_nobody_for_long(tmp_path: Path) -> None:
    """Its head start ends."""
    stage = Stage(tmp_path, "web", "celery-worker")
    stage.begin()
    stage.end("web", "celery-worker")
    stage.renewal.turn(NOW)
    stage.renewal.turn(NOW + HEAD_START_S - 0.1)
    assert stage.processes["celery-worker"].told == ["stop"]
    stage.renewal.turn(NOW + HEAD_START_S)
    assert stage.processes["celery-worker"].told == ["stop", "spawn"]


def test_a_worker_that_finishes_its_tasks_keeps_nobody_awake(tmp_path: Path) -> None:
    """Its end is an event: the head start is over as soon as the web server has reported."""
    stage = Stage(tmp_path, "web", "celery-worker", "celery-beat")
    stage.begin()
    stage.end("web", "celery-beat")
    stage.renewal.turn(NOW)
    stage.reported.add("web")
    stage.renewal.turn(NOW)
    assert stage.processes["celery-beat"].told == ["stop", "spawn"]
    assert stage.renewal.until_due() is None
    with pytest.raises(RPCError, match="a reload is under way"):
        stage.begin()


def test_a_web_server_that_had_ended_has_its_head_start_too(tmp_path: Path) -> None:
    """It is started at once, and the others wait for it."""
    stage = Stage(tmp_path, "web", "celery-worker")
    stage.processes["web"].state = ProcessStates.FATAL
    stage.begin()
    assert stage.processes["web"].told == ["spawn"]
    stage.end("celery-worker")
    stage.renewal.turn(NOW)
    assert stage.processes["celery-worker"].told == ["stop"]


def test_what_somebody_starts_meanwhile_is_theirs(tmp_path: Path) -> None:
    """While it waits for the web server: it runs as it is to be, and the next reload is not refused."""
    stage = Stage(tmp_path, "web", "celery-worker")
    worker = stage.begin_and_start_by_hand()
    stage.begin()
    assert worker.told == ["stop", "stop"]


def test_what_somebody_starts_meanwhile_and_is_to_be_another_is_stopped_again(tmp_path: Path) -> None:
    """It would run with the configuration that was."""
    stage = Stage(tmp_path, "web", "celery-worker")
    stage.differences = ([], [group("celery-worker")], [])
    worker = stage.begin_and_start_by_hand()
    assert worker.told == ["stop", "stop"]
    stage.end("celery-worker")
    stage.renewal.turn(NOW + HEAD_START_S)
    assert stage.processes["celery-worker"] is not worker


def test_they_start_in_the_new_environment(tmp_path: Path) -> None:
    """And nothing of the old is left."""
    os.environ["OLD"] = "1"
    stage = Stage(tmp_path, "web")
    stage.begin(A="new")
    assert dict(os.environ) == {"A": "new"}
    assert stage.supervisord.options.environ_expansions == {"ENV_A": "new"}
    assert runtime.read_facts(tmp_path) == {"new": True}
    assert runtime.read_made(tmp_path) == {"celery-worker-high.conf": "new"}


def test_a_configuration_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    """The environment is the old one, and nobody is stopped."""
    os.environ["OLD"] = "1"
    stage = Stage(tmp_path, "web")
    stage.problem = "no such section"
    with pytest.raises(RPCError, match="no such section"):
        stage.begin(A="new")
    assert os.environ["OLD"] == "1"
    assert runtime.read_facts(tmp_path) == {"old": True}
    assert runtime.read_made(tmp_path) == {}
    assert stage.processes["web"].told == []


def test_programs_come_and_go_and_become_others(tmp_path: Path) -> None:
    """Those that are new start at once, those that change when the old one has stopped."""
    stage = Stage(tmp_path, "celery-worker", "celery-beat")
    stage.differences = ([group("celery-worker-high")], [group("celery-beat")], [group("celery-worker")])
    changes = stage.begin()
    assert changes == {
        "restarting": ["celery-beat"],
        "added": ["celery-worker-high"],
        "removed": ["celery-worker"],
    }
    assert "celery-worker-high" in stage.supervisord.process_groups
    old = stage.processes["celery-beat"]
    stage.end("celery-worker", "celery-beat")
    stage.renewal.turn(NOW)
    assert stage.supervisord.process_groups.keys() == {"celery-worker-high", "celery-beat"}
    assert stage.processes["celery-beat"] is not old


def test_what_somebody_has_stopped_stays_stopped(tmp_path: Path) -> None:
    """What supervisord has given up, or is about to start again, is tried at once, with all its tries."""
    stage = Stage(tmp_path, "web", "celery-worker", "celery-beat")
    stage.end("web")
    stage.processes["web"].administrative_stop = True
    stage.processes["celery-worker"].state = ProcessStates.FATAL
    stage.processes["celery-beat"].state = ProcessStates.EXITED
    assert stage.begin()["restarting"] == ["celery-worker", "celery-beat"]
    assert stage.processes["web"].told == []
    assert stage.processes["celery-worker"].told == ["spawn"]
    assert stage.processes["celery-worker"].backoff == 0
    assert stage.processes["celery-beat"].told == ["spawn"]
    stage.begin()


def test_what_somebody_has_stopped_stays_stopped_as_something_else(tmp_path: Path) -> None:
    """Another time to stop, say: it is replaced, and neither starts nor is waited for."""
    stage = Stage(tmp_path, "web", "celery-beat")
    stage.end("celery-beat")
    stage.processes["celery-beat"].administrative_stop = True
    stage.differences = ([], [group("celery-beat")], [])
    old = stage.processes["celery-beat"]
    assert stage.begin()["restarting"] == ["web"]
    new = stage.processes["celery-beat"]
    assert new is not old
    assert new.laststart > 0
    assert new.laststop > 0  # else its status would say 1970
    assert new.administrative_stop


def test_one_at_a_time(tmp_path: Path) -> None:
    """A second one is refused until the first has started all."""
    stage = Stage(tmp_path, "web")
    stage.begin()
    with pytest.raises(RPCError, match="a reload is under way"):
        stage.begin()
    stage.end("web")
    stage.renewal.turn(NOW)
    stage.begin()


def test_a_stop_ends_it(tmp_path: Path) -> None:
    """Nothing is started again."""
    stage = Stage(tmp_path, "web")
    stage.begin()
    stage.supervisord.options.mood = SupervisorStates.SHUTDOWN
    stage.end("web")
    stage.renewal.turn(NOW)
    assert stage.processes["web"].told == ["stop"]
