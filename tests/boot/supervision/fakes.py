"""As much of supervisord as the parts of the plug-in look at."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from supervisor.states import ProcessStates, SupervisorStates

from boot.health import Address
from boot.supervision.facts import Facts

PRIORITIES = {"postgres": 10, "web": 20, "celery-worker": 30, "celery-beat": 40}


class Process:
    """One process; what it is told is kept."""

    def __init__(self, name: str, state: int = ProcessStates.RUNNING, pid: int = 7) -> None:
        self.config = SimpleNamespace(name=name, priority=PRIORITIES.get(name, 30))
        self.state = state
        self.pid = pid
        self.laststart = 0.0
        self.laststop = 0.0
        self.delay = 0.0
        self.backoff = 3
        self.administrative_stop = False
        self.spawnerr: str | None = None
        self.told: list[str] = []

    def get_state(self) -> int:
        return self.state

    def stop(self) -> None:
        self.told.append("stop")
        self.state = ProcessStates.STOPPING

    def spawn(self) -> None:
        self.told.append("spawn")
        self.state = ProcessStates.STARTING

    def give_up(self) -> None:
        self.told.append("give up")
        self.state = ProcessStates.FATAL


class Group:
    """A group with one process."""

    def __init__(self, process: Process) -> None:
        self.processes = {process.config.name: process}

    def get_unstopped_processes(self) -> list[Process]:
        stopped = (ProcessStates.STOPPED, ProcessStates.EXITED, ProcessStates.FATAL)
        return [process for process in self.processes.values() if process.state not in stopped]


def supervisord(*processes: Process, mood: int = SupervisorStates.RUNNING) -> Any:
    """One that runs these."""
    groups = {process.config.name: Group(process) for process in processes}
    options = SimpleNamespace(mood=mood, holds_socket=False, ends={7: "terminated by SIGKILL"})
    return SimpleNamespace(process_groups=groups, options=options, stop_groups=list(groups.values()))


def event(process: Process) -> Any:
    return SimpleNamespace(process=process)


def facts(**changed: Any) -> Facts:
    """The defaults of a start."""
    given: dict[str, Any] = {
        "log_format": "text", "is_coloured": False, "reporting": ("web", "celery-worker", "celery-beat"),
        "address": Address.of(["127.0.0.1", 9]), "holds_socket": True, "backlog": 5,
        "postmaster_file": Path("/nowhere"), "on_failure": "exit", "restarts_most": 2,
        "restarts_within_s": 60, "watchdog_s": {}, "drain_s": 0, "processes": {},
    }  # fmt: skip
    return Facts(**given | changed)
