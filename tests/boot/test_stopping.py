"""A stop by a signal: an exception, which waits where it would be in the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from boot import stopping


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """What is set here is set back: these are pytest's own signals."""
    before = {number: signal.getsignal(number) for number in stopping.SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", stopping.SIGNALS)
def test_a_signal_is_an_exception_with_the_status_of_a_shell(number: signal.Signals) -> None:
    """So that what was begun is undone on the way out."""
    stopping.raise_on_signals(once=False)
    for _ in range(2):
        with pytest.raises(stopping.Stopped) as stopped:
            os.kill(os.getpid(), number)
        assert stopped.value.status == 128 + number


def test_a_second_signal_does_not_disturb_the_cleaning_up() -> None:
    """Where only the first is asked for."""
    stopping.raise_on_signals(once=True)
    with pytest.raises(stopping.Stopped):
        os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """As nohup sets it."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stopping.raise_on_signals(once=False)
    os.kill(os.getpid(), signal.SIGHUP)


def test_a_held_signal_waits_for_the_end_of_the_block() -> None:
    """What the block begins has a name by then."""
    stopping.raise_on_signals(once=False)
    begun = []

    def begin() -> None:
        with stopping.held():
            signal.raise_signal(signal.SIGTERM)  # to this thread: another one of pytest's would take it
            begun.append("and named")

    with pytest.raises(stopping.Stopped):
        begin()
    assert begun == ["and named"]


def test_a_process_begun_meanwhile_takes_signals() -> None:
    """What is held here is not held there."""
    with stopping.held():
        process = subprocess.Popen(
            [sys.executable, "-c", "input()"], preexec_fn=stopping.let_through_in_child
        )
    process.terminate()
    assert process.wait() == -signal.SIGTERM
