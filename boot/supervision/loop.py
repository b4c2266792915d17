"""Makes supervisord's loop act at once, where it would wait up to a second.

Found by trying, with supervisor 4.3.0: its poll() has a timeout of one second and is not ended by a
signal. So signals, and each change of a program's state, are written into a pipe that it polls too.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from typing import Any

from supervisor import events
from supervisor.medusa import asyncore_25 as asyncore


class Waker:
    """A pipe in supervisord's poll set; `on_turn` is called in every turn of its loop."""

    def __init__(self, on_turn: Callable[[], None]) -> None:
        self._on_turn = on_turn
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def install(self) -> None:
        """Join the loop. Only the main thread may."""
        asyncore.socket_map[self._read] = self
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        events.subscribe(events.ProcessStateEvent, self.wake)

    def wake(self, _: Any = None) -> None:
        """Let the loop turn once more without waiting."""
        with contextlib.suppress(BlockingIOError):  # full: it will wake up anyway
            os.write(self._write, b"\0")

    # What the loop asks of what it polls.

    def readable(self) -> bool:
        self._on_turn()
        return True

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._read, 4096):
                pass

    def handle_error(self) -> None:
        raise

    def close(self) -> None:
        """Leave the loop: at a reload supervisord closes descriptors that it does not know."""
        del asyncore.socket_map[self._read]
        signal.set_wakeup_fd(-1)
        os.close(self._read)
        os.close(self._write)
