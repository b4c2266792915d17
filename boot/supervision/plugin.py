"""supervisord's plug-in: joins the parts of it to supervisord's loop and events.

supervisord loads it as its RPC interface (`[rpcinterface:...]`), so it costs no process.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import Any, Final

from supervisor import events
from supervisor.states import ProcessStates
from supervisor.xmlrpc import Faults, RPCError

from boot import drain, heartbeat, listener, plan
from boot.supervision import poller, rpc
from boot.supervision.facts import Facts
from boot.supervision.failure import Failure
from boot.supervision.guard import Guard
from boot.supervision.loop import Waker
from boot.supervision.output import ENDS, Output
from boot.supervision.programs import Programs
from boot.supervision.renewal import Renewal
from boot.supervision.shutdown import Shutdown
from boot.supervision.vitals import Vitals
from boot.supervision.watchdog import Watchdog

HELD_SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})  # by boot.launch
SLEEP_S: Final = 1.0  # seconds: supervisord's own, and how often the watchdog looks


class Plugin:
    """What Doorito adds to one life of supervisord (a reload begins another)."""

    def __init__(self, supervisord: Any, runtime_dir: Path) -> None:
        facts = Facts.read(runtime_dir)
        self._options = supervisord.options
        self._supervisord = supervisord
        self._runtime_dir = runtime_dir
        self._announcement: list[str] = supervisord.options.announcement
        self._reporting = facts.reporting
        self._programs = Programs(supervisord)
        self._output = Output(facts)
        self._waker = Waker(self._on_turn)
        self.vitals = Vitals(self._programs, facts, runtime_dir, self._waker.wake)
        self.failure = Failure(self._options, facts, self.vitals.restarts, self._output)
        self._watchdog = Watchdog(facts.watchdog_s)
        self._guard = Guard(self._programs, self._watchdog, runtime_dir, self._say)
        self._renewal = Renewal(supervisord, self._programs, self._has_reported)
        self._shutdown = Shutdown(supervisord, self._programs, runtime_dir, facts)

    def install(self) -> None:
        """Hook into supervisord, which is about to start its programs."""
        drain.end(self._runtime_dir)
        self._options.logger.addHandler(self._output)
        self._output.subscribe()
        self._waker.install()
        self._options.poller.limit_s = self._may_sleep_s
        events.subscribe(events.SupervisorRunningEvent, self._on_running)
        events.subscribe(events.SupervisorStoppingEvent, self._on_stopping)
        events.subscribe(events.ProcessStateStartingEvent, self._on_starting)
        events.subscribe(events.ProcessStateFatalEvent, self.failure.on_fatal)
        events.subscribe(events.ProcessStateStoppedEvent, self.failure.on_stopped)
        events.subscribe(events.ProcessStateExitedEvent, self.failure.on_death)
        events.subscribe(events.ProcessStateBackoffEvent, self.failure.on_failed_start)
        for event in (*ENDS, events.ProcessStateStartingEvent):
            events.subscribe(event, self._forget)

    def close(self) -> None:
        """Let go of what a next life would find in its way; the last word is why this one failed."""
        self._waker.close()
        if self.failure.cause:
            self._say(f"exit status 70: {self.failure.cause}")
        self._output.finish()

    def renew(self) -> dict[str, list[str]]:
        """Restart programs by the plan that `doorito reload` has left. Raises RPCError without it."""
        try:
            given = plan.take(self._runtime_dir)
            facts = Facts.of(given.facts)
            changes = self._renewal.begin(given, self._runtime_dir, time.monotonic())
        except RPCError:
            raise
        except Exception as error:
            raise RPCError(Faults.FAILED, f"the plan cannot be used ({type(error).__name__})") from None
        self._reporting = facts.reporting
        self._watchdog.limits_s = facts.watchdog_s
        if self._options.holds_socket:
            listener.listen(facts.backlog)
        for part in (self.vitals, self.failure, self._shutdown, self._output):
            part.take(facts)
        return changes

    def _say(self, *lines: str) -> None:
        self._output.say("doorito", *lines)

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

    def _on_stopping(self, _: Any) -> None:
        self._shutdown.begin(time.monotonic())

    def _on_starting(self, event: Any) -> None:
        self._options.starting = event.process.config.name

    def _forget(self, event: Any) -> None:
        """What a program said of itself ends with it."""
        heartbeat.forget(self._runtime_dir, event.process.config.name)

    def _on_turn(self) -> None:
        now = time.monotonic()
        if self._options.signal_receiver._signals_recvd:
            self._waker.wake()  # the loop handles one signal a turn
        self.vitals.turn(now)
        self._guard.turn(now)
        self._renewal.turn(now)
        self._shutdown.turn(now)
        self._output.turn(now)
        if self._announcement and all(self._is_ready(process) for process in self._programs.all()):
            self._say(*self._announcement)
            self._announcement = []

    def _may_sleep_s(self) -> float:
        now = time.monotonic()
        dues = (
            poller.until_due(self._programs.all(), time.time()),
            self._guard.until_due(now),
            self._renewal.until_due(),
            self._shutdown.until_due(now),
            self._output.until_due(now),
            rpc.AGAIN_S if self.vitals.is_awaited(now) else None,
        )
        return min((due for due in dues if due is not None), default=SLEEP_S)

    def _is_ready(self, process: Any) -> bool:
        # RUNNING as well, so that whoever is told that all is ready finds it so in the status.
        is_running = bool(process.get_state() == ProcessStates.RUNNING)
        return is_running and self._has_reported(process.config.name)

    def _has_reported(self, name: str) -> bool:
        """Whether it says that it is ready, or never would: runserver, PostgreSQL."""
        return name not in self._reporting or heartbeat.is_ready(self._runtime_dir, name)


def make_rpcinterface(supervisord: Any, **_: str) -> rpc.SupervisorInterface:
    """supervisord's own namespace; the plug-in joins on the way."""
    options = supervisord.options
    options.plugin = Plugin(supervisord, Path(options.pidfile).parent)
    options.plugin.install()
    return rpc.SupervisorInterface(supervisord, options.plugin.vitals)


def make_doorito(supervisord: Any, **_: str) -> rpc.DooritoInterface:
    """The namespace `doorito`; supervisord makes it after its own."""
    plugin = supervisord.options.plugin
    return rpc.DooritoInterface(plugin.vitals, plugin.renew)
