"""A new environment and configuration for programs, without another life of supervisord.

supervisord restarts them by itself: whoever has asked for it may go away meanwhile, and nothing stays down.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from supervisor.states import STOPPED_STATES, ProcessStates, SupervisorStates
from supervisor.xmlrpc import Faults, RPCError

from boot import runtime
from boot.plan import Plan
from boot.supervision.programs import Programs

KEPT: Final = ("postgres",)  # the embedded database has nothing to renew
FIRST: Final = "web"  # requests wait for it, tasks do not mind
HEAD_START_S: Final = 10.0  # seconds at most that it has the processors for itself
LOOK_S: Final = 0.05  # seconds between two looks whether it has reported
BY_HAND: Final = (ProcessStates.STOPPED, ProcessStates.STOPPING)
Changes = dict[str, list[str]]


class Renewal:
    """Stops each program, and starts it again as it is to be now."""

    def __init__(self, supervisord: Any, programs: Programs, has_reported: Callable[[str], bool]) -> None:
        self._supervisord = supervisord
        self._programs = programs
        self._has_reported = has_reported
        self._first_until: float | None = None  # monotonic; from the moment when the first is started
        self._replaced: dict[str, Any] = {}  # configurations of groups that are to be others, by name
        self._down: set[str] = set()  # stopped by hand
        self._removed: set[str] = set()
        self._restarting: dict[str, float] = {}  # not started again yet; when each was started last

    def begin(self, plan: Plan, runtime_dir: Path, now: float) -> Changes:
        """Carry the plan out, at a monotonic `now`; what becomes of each program, by names.

        Raises RPCError where a renewal is under way, or the configuration cannot be read; nothing has changed
        then.
        """
        if self._restarting:
            raise RPCError(Faults.FAILED, "a reload is under way")
        added, changed, removed = self._read(plan, runtime_dir)
        self._replaced = {group.name: group for group in changed}
        self._removed = {group.name for group in removed}
        processes = [process for process in self._programs.all() if process.config.name not in KEPT]
        self._down = {process.config.name for process in processes if _is_down(process)}
        renewed = [process for process in processes if self._is_renewed(process.config.name)]
        self._restarting = {process.config.name: process.laststart for process in renewed}
        self._first_until = None
        for process in renewed:
            if process.get_state() in STOPPED_STATES:
                # supervisord would, as it was, in this very turn
                self._start(process.config.name, process, now)
            elif process.get_state() != ProcessStates.STOPPING:
                process.stop()
        for group in added:
            self._supervisord.add_process_group(group)  # starts by itself
        names = [process.config.name for process in renewed]
        return {
            "restarting": [name for name in names if name not in self._removed | self._down],
            "added": [group.name for group in added],
            "removed": sorted(self._removed),
        }

    def turn(self, now: float) -> None:
        """Start those that have stopped; the web server has a head start. `now` is monotonic."""
        if self._supervisord.options.mood < SupervisorStates.RUNNING:
            self._restarting.clear()
        for name, started_at in sorted(self._restarting.items(), key=lambda item: item[0] != FIRST):
            process = self._programs.named(name)
            if process is not None and process.get_state() not in STOPPED_STATES:
                if process.laststart != started_at:  # by hand, meanwhile
                    self._take_up(name, process)
            elif name == FIRST or not self._waits_for_first(now):
                self._start(name, process, now)

    def until_due(self) -> float | None:
        """Seconds until there is something to do that no event tells of: whoever has stopped may wait."""
        return LOOK_S if self._restarting and self._first_until is not None else None

    def _waits_for_first(self, now: float) -> bool:
        if self._first_until is not None and (now >= self._first_until or self._has_reported(FIRST)):
            self._first_until = None
        return self._first_until is not None

    def _take_up(self, name: str, process: Any) -> None:
        """Somebody else has started it; that is as it is to be, unless its configuration is another."""
        if name not in self._replaced and name not in self._removed:
            del self._restarting[name]
        elif process.get_state() != ProcessStates.STOPPING:
            process.stop()

    def _is_renewed(self, name: str) -> bool:
        """What somebody has stopped by hand stays stopped; it may have to be something else."""
        return name not in self._down or name in self._replaced or name in self._removed

    def _start(self, name: str, process: Any, now: float) -> None:
        self._restarting.pop(name, None)
        if name == FIRST:
            self._first_until = now + HEAD_START_S
        if name in self._replaced or name in self._removed:
            self._supervisord.remove_process_group(name)
        if name in self._replaced:
            self._supervisord.add_process_group(self._replaced[name])  # starts by itself
            if name in self._down:
                self._keep_down(name)
        elif name not in self._removed and process is not None:
            process.backoff = 0  # it has all its tries again
            process.spawn()

    def _keep_down(self, name: str) -> None:
        """As if it had been stopped by hand after its start."""
        process = self._programs.named(name)
        if process:
            # supervisord starts what has never been started, and shows when it was stopped.
            process.laststart = process.laststop = time.time()
            process.administrative_stop = True

    def _read(self, plan: Plan, runtime_dir: Path) -> Any:
        """The groups that are added, changed and removed by the configuration as it is to be.

        Files and environment are the plan's from now on, or as they were where it cannot be read.
        """
        options = self._supervisord.options
        before, expansions = dict(os.environ), options.environ_expansions  # noqa: TID251 - it is replaced here
        facts = runtime.read_facts(runtime_dir)
        made = runtime.read_made(runtime_dir)
        try:
            runtime.write_facts(runtime_dir, plan.facts)
            runtime.write_made(runtime_dir, plan.made)
            _replace(plan.environ)
            options.environ_expansions = {f"ENV_{name}": text for name, text in plan.environ.items()}
            options.process_config(do_usage=False)
        except (Exception, SystemExit) as error:  # supervisord exits where an option cannot be
            _replace(before)
            options.environ_expansions = expansions
            runtime.write_facts(runtime_dir, facts)
            runtime.write_made(runtime_dir, made)
            message = str(error) if isinstance(error, ValueError) else type(error).__name__
            raise RPCError(Faults.CANT_REREAD, message) from None
        return self._supervisord.diff_to_active()


def _is_down(process: Any) -> bool:
    return bool(process.administrative_stop) and process.get_state() in BY_HAND


def _replace(environ: Mapping[str, str]) -> None:
    os.environ.clear()  # noqa: TID251
    os.environ.update(environ)  # noqa: TID251
