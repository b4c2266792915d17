"""Stops programs in order, those that do not need each other at once; supervisord would go one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from supervisor.states import ProcessStates, SupervisorStates

from boot import drain, listener
from boot.supervision import stopping
from boot.supervision.facts import Facts
from boot.supervision.programs import Programs


class Shutdown:
    """One stop of all, from the moment that it begins."""

    def __init__(self, supervisord: Any, programs: Programs, runtime_dir: Path, facts: Facts) -> None:
        self._supervisord = supervisord
        self._programs = programs
        self._runtime_dir = runtime_dir
        self._drain_s = facts.drain_s
        self._begun_at: float | None = None

    def take(self, facts: Facts) -> None:
        """Other settings hold from now on."""
        self._drain_s = facts.drain_s

    def begin(self, now: float) -> None:
        """Readiness fails first; then whoever may be told is told. `now` is monotonic."""
        drain.begin(self._runtime_dir)
        self._begun_at = now
        self._supervisord.stop_groups = []  # in its place
        self.turn(now)

    def turn(self, now: float) -> None:
        """Tell those whose time has come."""
        if self._begun_at is None:
            return
        for process in self._programs.unstopped():
            if process.get_state() == ProcessStates.BACKOFF:  # has no process, and will get none
                process.give_up()
        unstopped = {process.config.name: process for process in self._programs.unstopped()}
        due = stopping.to_stop(list(unstopped), now - self._begun_at, self._drain_s)
        if stopping.WEB in due or stopping.WEB not in unstopped:
            self._close_listener()
        for name in due:
            if unstopped[name].get_state() in (ProcessStates.RUNNING, ProcessStates.STARTING):
                unstopped[name].stop()

    def until_due(self, now: float) -> float | None:
        """Seconds until somebody else is to be told."""
        if self._begun_at is None:
            return None
        names = [process.config.name for process in self._programs.unstopped()]
        return stopping.until_next(names, now - self._begun_at, self._drain_s)

    def _close_listener(self) -> None:
        """Nobody comes for what would wait in it; after a reload somebody does, so it outlives that."""
        options = self._supervisord.options
        if options.holds_socket and options.mood == SupervisorStates.SHUTDOWN:
            options.holds_socket = False
            listener.close()
