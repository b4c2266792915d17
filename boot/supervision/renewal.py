"""A new environment and configuration for programs, without another life of supervisord.

supervisord restarts them by itself: whoever has asked for it may go away meanwhile, and nothing stays down.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from supervisor.states import STOPPED_STATES, ProcessStates, SupervisorStates
from supervisor.xmlrpc import Faults, RPCError

from boot.supervision.programs import Programs

KEPT: Final = ("postgres",)  # the embedded database has nothing to renew
Changes = dict[str, list[str]]


class Renewal:
    """Stops each program, and starts it again as it is to be now."""

    def __init__(self, supervisord: Any, programs: Programs) -> None:
        self._supervisord = supervisord
        self._programs = programs
        self._replaced: dict[
            str, Any
        ] = {}  # configurations of groups whose program is to be another, by name
        self._removed: set[str] = set()
        self._restarting: set[str] = set()  # told to stop, and not started again yet

    def begin(self, environ: Mapping[str, str]) -> Changes:
        """Take the environment and read the configuration again; what becomes of each program, by names.

        Raises RPCError where a renewal is under way, or the configuration cannot be read; nothing has changed
        then.
        """
        if self._restarting:
            raise RPCError(Faults.FAILED, "a reload is under way")
        added, changed, removed = self._read(environ)
        self._replaced = {group.name: group for group in changed}
        self._removed = {group.name for group in removed}
        renewed = [process for process in self._programs.all() if self._is_renewed(process)]
        self._restarting = {process.config.name for process in renewed}
        for process in renewed:
            if process.get_state() not in (*STOPPED_STATES, ProcessStates.STOPPING):
                process.stop()
        for group in added:
            self._supervisord.add_process_group(group)  # starts by itself
        names = [process.config.name for process in renewed]
        return {
            "restarting": [name for name in names if name not in self._removed],
            "added": [group.name for group in added],
            "removed": sorted(self._removed),
        }

    def turn(self) -> None:
        """Start those that have stopped."""
        if self._supervisord.options.mood < SupervisorStates.RUNNING:
            self._restarting.clear()
        for name in sorted(self._restarting):
            process = self._programs.named(name)
            if process is None or process.get_state() in STOPPED_STATES:
                self._restarting.remove(name)
                self._start(name, process)

    def _is_renewed(self, process: Any) -> bool:
        """What somebody has stopped by hand stays stopped, unless it is to be something else."""
        name = process.config.name
        is_other = name in self._replaced or name in self._removed
        return name not in KEPT and (is_other or process.get_state() != ProcessStates.STOPPED)

    def _start(self, name: str, process: Any) -> None:
        if name in self._replaced or name in self._removed:
            self._supervisord.remove_process_group(name)
        if name in self._replaced:
            self._supervisord.add_process_group(self._replaced[name])  # starts by itself
        elif name not in self._removed and process is not None:
            process.spawn()

    def _read(self, environ: Mapping[str, str]) -> Any:
        """The groups that are added, changed and removed by the configuration as it is now."""
        options = self._supervisord.options
        before, expansions = dict(os.environ), options.environ_expansions  # noqa: TID251 - it is replaced here
        _replace(environ)
        options.environ_expansions = {f"ENV_{name}": text for name, text in environ.items()}
        try:
            options.process_config(do_usage=False)
        except ValueError as error:
            _replace(before)
            options.environ_expansions = expansions
            raise RPCError(Faults.CANT_REREAD, str(error)) from error
        return self._supervisord.diff_to_active()


def _replace(environ: Mapping[str, str]) -> None:
    os.environ.clear()  # noqa: TID251
    os.environ.update(environ)  # noqa: TID251
