"""How long supervisord's loop may sleep."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from supervisor.states import ProcessStates

from boot.supervision.poller import LATE_S, Poller, until_due


def process(state: int, delay: float = 0.0) -> Any:
    return SimpleNamespace(get_state=lambda: state, delay=delay)


def test_it_sleeps_until_the_first_thing_is_due() -> None:
    """A start that counts, a try, a kill; what runs and what is stopped wait for nothing."""
    processes = [
        process(ProcessStates.STARTING, 102.0),
        process(ProcessStates.BACKOFF, 101.0),
        process(ProcessStates.STOPPING, 130.0),
        process(ProcessStates.RUNNING, 100.5),
    ]
    assert until_due(processes, 100.0) == pytest.approx(1.0 + LATE_S)
    assert until_due(processes, 105.0) == LATE_S
    assert until_due(processes[3:], 100.0) is None


def test_the_poller_takes_the_shorter_time() -> None:
    """supervisord's second, or what the plug-in says."""
    poller = Poller(SimpleNamespace(logger=None))
    asked: list[float] = []
    poller._poller = SimpleNamespace(poll=lambda ms: asked.append(ms) or [])  # type: ignore[func-returns-value]
    poller.poll(1)
    poller.limit_s = lambda: 0.25
    poller.poll(1)
    poller.limit_s = lambda: 7.0
    poller.poll(1)
    assert asked == [1000, 250, 1000]
