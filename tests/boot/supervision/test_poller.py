"""How long supervisord's loop may sleep."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from supervisor.states import ProcessStates

from boot.supervision.poller import FLOOD, GATHER_S, LATE_S, Poller, until_due


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
    poller = Poller(SimpleNamespace(logger=None, pidhistory={}))
    asked: list[float] = []
    poller._poller = SimpleNamespace(poll=lambda ms: asked.append(ms) or [])  # type: ignore[func-returns-value]
    poller.poll(1)
    poller.limit_s = lambda: 0.25
    poller.poll(1)
    poller.limit_s = lambda: 7.0
    poller.poll(1)
    assert asked == [1000, 250, 1000]


class Turns:
    """supervisord's loop, as far as it polls: a program's pipe, and one that wakes the loop."""

    def __init__(self) -> None:
        self.program, self.writer = os.pipe()
        self.waker, self.wake = os.pipe()
        process = SimpleNamespace(dispatchers={self.program: None})
        self.poller = Poller(SimpleNamespace(logger=None, pidhistory={1: process}))

    def turn(self, timeout: float = 5.0) -> set[int]:
        """Register both, poll, read; what was readable."""
        for descriptor in (self.program, self.waker):
            self.poller.register_readable(descriptor)
        readable, _ = self.poller.poll(timeout)
        for descriptor in readable:
            os.read(descriptor, 1 << 17)
        return set(readable)


@pytest.fixture
def turns() -> Iterator[Turns]:
    made = Turns()
    yield made
    for descriptor in (made.program, made.writer, made.waker, made.wake):
        os.close(descriptor)


def test_lines_gather_after_a_program_was_read(turns: Turns) -> None:
    """The first is read at once; those that follow it closely come together, a moment later."""
    begun = time.monotonic()
    os.write(turns.writer, b"first\n")
    assert turns.turn() == {turns.program}
    os.write(turns.writer, b"second\n")
    assert turns.turn() == {turns.program}
    assert time.monotonic() - begun >= GATHER_S


def test_nothing_else_waits_for_lines_to_gather(turns: Turns) -> None:
    """A signal, a request, a program's end."""
    os.write(turns.writer, b"first\n")
    turns.turn()
    os.write(turns.writer, b"second\n")
    os.write(turns.wake, b"\0")
    assert turns.turn() == {turns.waker}
    assert turns.turn() == {turns.program}


def test_a_flood_is_read_at_once(turns: Turns) -> None:
    """A full pipe would hold its program up."""
    for _ in range(3):
        os.write(turns.writer, b"x" * FLOOD)
        assert turns.turn() == {turns.program}


def test_what_follows_a_flood_is_read_at_once_too(turns: Turns, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its writer, which waited for room, has written little yet; a rest would have it wait again."""
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    os.write(turns.writer, b"x" * FLOOD)
    assert turns.turn() == {turns.program}
    os.write(turns.writer, b"little\n")
    assert turns.turn() == {turns.program}
    os.write(turns.writer, b"more\n")
    assert turns.turn() == {turns.program}
    now += 2 * GATHER_S  # the flood is over
    os.write(turns.writer, b"later\n")
    assert turns.turn() == {turns.program}
    os.write(turns.writer, b"rests\n")
    os.write(turns.wake, b"\0")
    assert turns.turn() == {turns.waker}
