"""A stop by Ctrl-C, TERM or HUP: an exception, so that what was begun is undone on the way out."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Final, NoReturn

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stopped(BaseException):
    """A stop was asked for. Like KeyboardInterrupt, no error; `status` is what a shell would make of it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number


def raise_on_signals() -> None:
    """From now on the first of the signals raises Stopped; later ones must not disturb the cleaning up."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        ignore()
        raise Stopped(number)

    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, stop)


def ignore() -> None:
    """From now on the signals do nothing: half of what follows would be worse than all of it."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
