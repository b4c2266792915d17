"""A stop by Ctrl-C, TERM or HUP: an exception, so that what was begun is undone on the way out."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Final, NoReturn

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stopped(BaseException):
    """A stop was asked for. Like KeyboardInterrupt, no error; `status` is what a shell would make of it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number


def raise_on_signals(*, once: bool) -> None:
    """From now on the signals raise Stopped; with `once` the first, and later ones disturb no cleaning up."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        if once:
            ignore()
        raise Stopped(number)

    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, stop)


def ignore() -> None:
    """From now on the signals do nothing: half of what follows would be worse than all of it."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def hold() -> None:
    """From now on signals wait, across exec too."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def let_through() -> None:
    """The end of that."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def let_through_in_child() -> None:
    """A child inherits what is held, and what is done with signals, until its exec: it calls this before."""
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    let_through()


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Signals wait until the end of the block.

    A stop in the middle of subprocess.Popen would leave a process that nobody has a name for.
    """
    hold()
    try:
        yield
    finally:
        let_through()
