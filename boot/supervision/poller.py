"""How long supervisord's loop may sleep: until the next thing is due, not a full second.

Found by reading supervisor 4.3.0: its loop polls for a second whatever is due, so that a program counts as
RUNNING, is tried again or is killed up to a second late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from supervisor import poller
from supervisor.states import ProcessStates

LATE_S: Final = 0.001  # seconds: supervisord compares with "later than", and clocks have grains
WAITS: Final = (ProcessStates.BACKOFF, ProcessStates.STARTING, ProcessStates.STOPPING)


def until_due(processes: Iterable[Any], now: float) -> float | None:
    """Seconds from `now` (since 1970) until supervisord has something to do to one of its processes.

    None where nothing waits for time. `delay` is until when a process has to live to count as started, until
    when it may take to stop, or when it is tried again.
    """
    dues = [process.delay for process in processes if process.get_state() in WAITS and process.delay]
    return max(0.0, min(dues) - now) + LATE_S if dues else None


class Poller(poller.Poller):  # type: ignore[misc] # supervisor brings no types
    """supervisord's poller, which sleeps no longer than `limit_s` says."""

    limit_s: Callable[[], float] | None = None  # the plug-in's; none while there is no loop yet

    def poll(self, timeout: float) -> Any:
        limit = timeout if self.limit_s is None else min(timeout, self.limit_s())
        return super().poll(limit)
