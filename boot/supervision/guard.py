"""Ends programs that hang, so that supervisord starts them again."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

from supervisor.states import ProcessStates

from boot import heartbeat
from boot.supervision.programs import Programs
from boot.supervision.watchdog import Seen, Watchdog

LOOK_S: Final = 1.0  # seconds between two looks
# What is aborted writes down where its threads stand (PYTHONFAULTHANDLER), if it still can; then it is killed
# with all that it started.
ABORTED_S: Final = 2.0  # seconds


class Guard:
    """Carries out what the watchdog finds."""

    def __init__(
        self, programs: Programs, watchdog: Watchdog, runtime_dir: Path, say: Callable[[str], None]
    ) -> None:
        self._programs = programs
        self._watchdog = watchdog
        self._runtime_dir = runtime_dir
        self._say = say
        self._next_look = 0.0
        self._aborted: dict[int, float] = {}  # when to kill it, by pid

    def turn(self, now: float) -> None:
        """Look, once a second; `now` is monotonic."""
        running = {
            process.config.name: process
            for process in self._programs.all()
            if process.pid and process.get_state() in (ProcessStates.RUNNING, ProcessStates.STARTING)
        }
        for pid in [pid for pid, at in self._aborted.items() if now >= at]:
            del self._aborted[pid]
            self._signal(-pid, signal.SIGKILL)
        if now < self._next_look:
            return
        self._next_look = now + LOOK_S
        seen = {name: self._seen(name, process.pid) for name, process in running.items()}
        for name, why in self._watchdog.look(seen, now).items():
            pid = running[name].pid
            self._say(f"{name} {why}: it hangs, and is ended (watchdog)")
            self._aborted[pid] = (
                now + ABORTED_S
            )  # and what it leaves behind: its group is all that it started
            self._signal(pid, signal.SIGABRT)

    def until_due(self, now: float) -> float | None:
        """Seconds until one that was aborted is killed."""
        return max(0.0, min(self._aborted.values()) - now) if self._aborted else None

    def _seen(self, name: str, pid: int) -> Seen:
        fact = heartbeat.read(self._runtime_dir, name)
        return Seen(pid, fact.at if fact else None, fact is not None and fact.exempt)

    def _signal(self, pid: int, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
