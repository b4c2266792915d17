"""supervisord's processes by name, as the parts of the plug-in look at them."""

from __future__ import annotations

from typing import Any, Final

from supervisor.states import ProcessStates, getProcessStateDescription

ALIVE: Final = (ProcessStates.STARTING, ProcessStates.RUNNING, ProcessStates.STOPPING)


class Programs:
    """A view: supervisord may gain and lose processes at any time."""

    def __init__(self, supervisord: Any) -> None:
        self._supervisord = supervisord

    def all(self) -> list[Any]:
        """First started first."""
        groups = self._supervisord.process_groups.values()
        processes = [process for group in groups for process in group.processes.values()]
        return sorted(processes, key=lambda process: (process.config.priority, process.config.name))

    def named(self, name: str) -> Any | None:
        return next((process for process in self.all() if process.config.name == name), None)

    def unstopped(self) -> list[Any]:
        """Those that a stop waits for, last started first."""
        groups = self._supervisord.process_groups.values()
        unstopped = [process for group in groups for process in group.get_unstopped_processes()]
        return sorted(unstopped, key=lambda process: -process.config.priority)


def is_alive(process: Any) -> bool:
    """Whether there is a process of it."""
    return bool(process.pid) and process.get_state() in ALIVE


def state_of(process: Any) -> str:
    """supervisord's word for its state, such as "RUNNING"."""
    return str(getProcessStateDescription(process.get_state()))
