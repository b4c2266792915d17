"""supervisord's plug-in: prompt starts and restarts, named output, one word when all is ready.

supervisord loads it as its RPC interface (`[rpcinterface:supervisor]`), so it costs no process.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any, Final

from supervisor import events
from supervisor.rpcinterface import SupervisorNamespaceRPCInterface
from supervisor.states import ProcessStates, SupervisorStates

from boot import heartbeat
from boot.supervision.loop import Waker
from boot.supervision.output import Output

HELD_SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})  # by boot.launch


class Plugin:
    """What Doorito adds to one life of supervisord (a reload begins another)."""

    def __init__(self, supervisord: Any, runtime_dir: Path) -> None:
        facts = json.loads(Path(runtime_dir, "facts.json").read_text())
        self.failed: str | None = None  # the program that cannot be kept running
        self._supervisord = supervisord
        self._options = supervisord.options
        self._runtime_dir = runtime_dir
        self._reporting: list[str] = facts["reporting"]  # programs that say themselves when they are ready
        self._announcement: list[str] = supervisord.options.announcement
        self._output = Output(facts["log_format"])
        self._waker = Waker(self._on_turn)

    def install(self) -> None:
        """Hook into supervisord, which is about to start its programs."""
        self._options.logger.addHandler(self._output)
        self._output.subscribe()
        self._waker.install()
        events.subscribe(events.SupervisorRunningEvent, self._on_running)
        for event in (
            events.ProcessStateStartingEvent,
            events.ProcessStateStoppedEvent,
            events.ProcessStateExitedEvent,
        ):
            events.subscribe(event, self._forget)
        events.subscribe(events.ProcessStateStartingEvent, self._on_starting)
        events.subscribe(events.ProcessStateFatalEvent, self._on_fatal)

    def close(self) -> None:
        """Let go of what a next life would find in its way."""
        self._waker.close()

    def _on_running(self, _: Any) -> None:
        # Held since before the launcher became supervisord, which can take them only now.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_SIGNALS)
        self._take_hangup()
        if self._options.signal_receiver._signals_recvd:
            return  # told to stop already
        # supervisord's first spawn otherwise waits for the end of its first poll, a second later.
        for group in sorted(self._supervisord.process_groups.values()):
            group.transition()

    def _take_hangup(self) -> None:
        """To supervisord SIGHUP means reload. In a terminal it means that the terminal was closed."""
        if self._options.ignores_hangup:  # started by nohup
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        elif sys.stdout.isatty():
            receive = self._options.signal_receiver.receive
            signal.signal(signal.SIGHUP, lambda *_: receive(signal.SIGTERM, None))

    def _on_starting(self, event: Any) -> None:
        self._options.starting = event.process.config.name

    def _forget(self, event: Any) -> None:
        """What a program said of itself ends with it."""
        heartbeat.forget(self._runtime_dir, event.process.config.name)

    def _on_fatal(self, event: Any) -> None:
        self.failed = event.process.config.name
        self._output.say("doorito", f"{self.failed} cannot be kept running; stopping everything")
        self._options.mood = SupervisorStates.SHUTDOWN

    def _on_turn(self) -> None:
        if self._options.signal_receiver._signals_recvd:
            self._waker.wake()  # the loop handles one signal a turn
        if self._announcement and all(self._is_ready(process) for process in self._processes()):
            self._output.say("doorito", *self._announcement)
            self._announcement = []

    def _processes(self) -> list[Any]:
        return [p for group in self._supervisord.process_groups.values() for p in group.processes.values()]

    def _is_ready(self, process: Any) -> bool:
        name = process.config.name
        reported = name not in self._reporting or heartbeat.is_ready(self._runtime_dir, name)
        # RUNNING as well, so that whoever is told that all is ready finds it so in the status.
        return reported and bool(process.get_state() == ProcessStates.RUNNING)


def make_rpcinterface(supervisord: Any, **_: str) -> SupervisorNamespaceRPCInterface:
    """supervisord's own interface; the plug-in joins on the way."""
    options = supervisord.options
    options.plugin = Plugin(supervisord, Path(options.pidfile).parent)
    options.plugin.install()
    return SupervisorNamespaceRPCInterface(supervisord)
