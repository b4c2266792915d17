"""How each program is: its state, and whether it does its work."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from supervisor.states import ProcessStates

from boot import health, heartbeat
from boot.supervision.facts import Facts
from boot.supervision.probe import Probe
from boot.supervision.programs import Programs, is_alive, state_of
from boot.supervision.restarts import Restarts

FETCHED_S: Final = 0.5  # seconds within which an answer is fetched by whoever has asked
NOT_ASKED: Final = health.Health("web", False, ("not asked yet",))


class Vitals:
    """Reads reports at once, and asks /readyz when somebody asks; calls `on_answer` when it has answered."""

    def __init__(
        self, programs: Programs, facts: Facts, runtime_dir: Path, on_answer: Callable[[], None]
    ) -> None:
        self.restarts = Restarts(facts.restarts_most, facts.restarts_within_s)
        self._programs = programs
        self._facts = facts
        self._runtime_dir = runtime_dir
        self._on_answer = on_answer
        self._probe: Probe | None = None
        self._web = NOT_ASKED
        self._answered_at = 0.0

    def take(self, facts: Facts) -> None:
        """Other settings hold from now on."""
        self._facts = facts
        self.restarts.most, self.restarts.within_s = facts.restarts_most, facts.restarts_within_s

    def ask(self) -> Callable[[], bool]:
        """Find out how things are; the answer tells whether that is known by now."""
        web = self._programs.named("web")
        if web is None or not is_alive(web):
            return lambda: True
        if self._probe is None:
            self._probe = Probe(self._facts.address, self._on_answer)
        probe = self._probe
        return lambda: probe.answer is not None

    def turn(self, now: float) -> None:
        """Take the answer to what was asked; `now` is monotonic."""
        if (probe := self._probe) is None:
            return
        probe.expire(now)
        if probe.answer is not None:
            self._web, self._answered_at, self._probe = probe.answer, now, None

    def is_awaited(self, now: float) -> bool:
        """Whether somebody may be waiting for an answer, or about to fetch it."""
        return self._probe is not None or now < self._answered_at + FETCHED_S

    def of(self, process: Any) -> health.Health | None:
        """Whether it does its work; None for what does not run."""
        name = process.config.name
        if not is_alive(process):
            return None
        if process.get_state() == ProcessStates.STOPPING:
            return health.Health(name, False, ("is stopping",))
        if name == "web":
            return self._web if self._probe is None else self._probe.answer or self._web
        if name == "postgres":
            return health.of_postmaster(self._facts.postmaster_file)
        return health.judge(name, heartbeat.read(self._runtime_dir, name), heartbeat.now())

    def words(self, name: str) -> str:
        """ready, or why not; empty for what does not run."""
        process = self._programs.named(name)
        known = self.of(process) if process else None
        return health.words(known) if known else ""

    def status(self) -> list[dict[str, Any]]:
        """All that is known of each program, as XML-RPC takes it."""
        return [self._status_of(process) for process in self._programs.all()]

    def _status_of(self, process: Any) -> dict[str, Any]:
        name, known = process.config.name, self.of(process)
        fact = heartbeat.read(self._runtime_dir, name)
        works_with = fact.processes if fact and known else None
        return {
            "name": name,
            "state": state_of(process),
            "pid": process.pid,
            "uptime_s": max(0.0, time.time() - process.laststart) if process.pid else 0.0,
            "restarts": self.restarts.totals[name],
            "ready": known is not None and known.ready,
            "reasons": list(known.reasons) if known else [],
            "processes": works_with or 0,
            "configured_processes": self._facts.processes.get(name, 0),
        }
