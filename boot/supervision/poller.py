"""How long supervisord's loop may sleep: until the next thing is due, not a full second.

Found by reading supervisor 4.3.0: its loop polls for a second whatever is due, so that a program counts as
RUNNING, is tried again or is killed up to a second late. And it turns for every line that a program writes,
looking after everything each time: under load that takes CPU from the programs (docs/decisions/0021).
"""

from __future__ import annotations

import fcntl
import math
import sys
import termios
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from supervisor import poller
from supervisor.states import ProcessStates

LATE_S: Final = 0.001  # seconds: supervisord compares with "later than", and clocks have grains
GATHER_S: Final = 0.025  # seconds that lines gather in a program's pipe after it was read
FLOOD: Final = 16 * 1024  # bytes: so many in a pipe, which holds 64 KiB (pipe(7)), and it is read at once
WAITS: Final = (ProcessStates.BACKOFF, ProcessStates.STARTING, ProcessStates.STOPPING)


def until_due(processes: Iterable[Any], now: float) -> float | None:
    """Seconds from `now` (since 1970) until supervisord has something to do to one of its processes.

    None where nothing waits for time. `delay` is until when a process has to live to count as started, until
    when it may take to stop, or when it is tried again.
    """
    dues = [process.delay for process in processes if process.get_state() in WAITS and process.delay]
    return max(0.0, min(dues) - now) + LATE_S if dues else None


class Poller(poller.Poller):  # type: ignore[misc] # supervisor brings no types
    """supervisord's poller, which sleeps no longer than `limit_s` says, and lets lines gather."""

    limit_s: Callable[[], float] | None = None  # the plug-in's; none while there is no loop yet

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self._rests: dict[int, float] = {}  # until when a descriptor is left alone, monotonic
        self._left: set[int] = set()  # those of them that this turn would poll
        self._floods: dict[int, float] = {}  # when a descriptor last held so much, monotonic

    def register_readable(self, fd: int) -> None:
        """Asked for each descriptor in every turn."""
        if fd not in self._rests:
            super().register_readable(fd)
            return
        self._left.add(fd)
        if fd in self.readables:
            self.unregister_readable(fd)

    def poll(self, timeout: float) -> Any:
        limit = timeout if self.limit_s is None else min(timeout, self.limit_s())
        rest = min(self._rests.values(), default=math.inf) - time.monotonic()
        found = super().poll(max(0.0, min(limit, rest)))
        rested = self._rested(time.monotonic())
        if rested and not any(found):  # now, which spares the loop a turn
            for fd in rested:
                super().register_readable(fd)
            found = super().poll(0)
        self._let_rest(found[0], time.monotonic())
        return found

    def _rested(self, now: float) -> set[int]:
        """Those whose time is over, and which this turn would poll."""
        over = {fd for fd, until in self._rests.items() if until <= now}
        rested = over & self._left
        self._left.clear()
        for fd in over:
            del self._rests[fd]
        return rested

    def _let_rest(self, readables: Iterable[int], now: float) -> None:
        """Programs' pipes that are about to be read; other descriptors never wait."""
        outputs = {fd for process in self.options.pidhistory.values() for fd in process.dispatchers}
        for fd in outputs.intersection(readables):
            if _holds(fd) >= FLOOD:
                self._floods[fd] = now
            elif now - self._floods.get(fd, -math.inf) > GATHER_S:  # else its writer has just been let in
                self._rests[fd] = now + GATHER_S


def _holds(fd: int) -> int:
    """The bytes that wait in a pipe (FIONREAD)."""
    return int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, bytes(4)), sys.byteorder)
