"""When beat may end: between two pieces of work, or at once where it has none."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class Stop:
    """What a signal to stop does: SystemExit, raised where it came or at the end of the work at hand."""

    def __init__(self) -> None:
        self._pieces = 0  # of work, one within the other
        self._is_asked = False  # while there was work

    def on_signal(self, *_: object) -> None:
        """Handle the signal. Raises SystemExit unless there is work, whose end raises it then."""
        if not self._pieces:
            raise SystemExit
        self._is_asked = True

    @contextlib.contextmanager
    def awaits(self) -> Iterator[None]:
        """Work that a stop waits for. Raises SystemExit at its end where one was asked for meanwhile."""
        self._pieces += 1
        try:
            yield
        finally:
            self._pieces -= 1
        if self._is_asked and not self._pieces:
            self._is_asked = False
            raise SystemExit


stop = Stop()
