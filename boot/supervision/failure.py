"""What happens when a program cannot be kept running: whoever looks from outside has to see it."""

from __future__ import annotations

import time
from typing import Any

from supervisor.states import SupervisorStates

from boot.supervision.facts import EXIT, Facts
from boot.supervision.output import Output
from boot.supervision.restarts import Restarts


class Failure:
    """Ends the stack, or keeps the rest of it up and says so; `cause` is why it was ended."""

    def __init__(self, options: Any, facts: Facts, restarts: Restarts, output: Output) -> None:
        self.cause: str | None = None
        self._options = options
        self._exits = facts.on_failure == EXIT
        self._restarts = restarts
        self._output = output
        self._ends: dict[str, str] = {}  # how the last process of each program ended

    def take(self, facts: Facts) -> None:
        """Other settings hold from now on."""
        self._exits = facts.on_failure == EXIT

    def on_death(self, event: Any) -> None:
        """A program has ended without being asked to."""
        name = self._note_end(event)
        why = self._restarts.died(name, time.monotonic())
        if why and not self._is_stopping:
            self._restarts.forget(name)
            self._fail(name, why)

    def on_failed_start(self, event: Any) -> None:
        """It ended before it counted as started, and is tried again."""
        self._restarts.failed_start(self._note_end(event))

    def on_fatal(self, event: Any) -> None:
        """supervisord has given up on a program that never lived long enough to count as started."""
        if not self._is_stopping:
            self._fail(event.process.config.name, "could not be started, however often it was tried")

    def on_stopped(self, event: Any) -> None:
        """Somebody stopped it; what comes next is another story."""
        self._restarts.forget(event.process.config.name)

    def _note_end(self, event: Any) -> str:
        """Without a process it could not even be begun, and supervisord says why."""
        name: str = event.process.config.name
        self._ends[name] = self._options.ends.get(event.process.pid) or event.process.spawnerr or ""
        return name

    @property
    def _is_stopping(self) -> bool:
        return bool(self._options.mood < SupervisorStates.RUNNING)

    def _fail(self, name: str, why: str) -> None:
        end, last = self._ends.get(name), self._output.last_line(name)
        said = f"{name} {why}" + (f" ({end})" if end else "") + (f"; it last said: {last}" if last else "")
        if self._exits:
            self.cause = said
            self._output.say("doorito", f"{said}; stopping everything (SUPERVISE_ON_FAILURE=exit)")
            self._options.mood = SupervisorStates.SHUTDOWN
        else:
            self._output.say("doorito", f"{said}; the others stay up (SUPERVISE_ON_FAILURE=keep)")
