"""Standard output, written as fast as it is read and never waited for.

Programs write into pipes that supervisord reads; were supervisord to wait for whoever reads its own output,
all of them would soon stand still. So what cannot be written is kept, up to a limit, and beyond that dropped
and counted.
"""

from __future__ import annotations

import errno
import os
import select
import time
from collections.abc import Callable
from typing import Final

LIMIT: Final = 1 << 20  # bytes that are kept
# What a pipe that polls as writable takes without waiting (pipe(7): PIPE_BUF; a page is free).
CHUNK: Final = select.PIPE_BUF
LAST_S: Final = 2.0  # seconds that the last lines may take at the end


class Sink:
    """A descriptor that takes whole lines; `report` makes the one that tells how many were dropped."""

    def __init__(self, descriptor: int, report: Callable[[int], bytes]) -> None:
        self._descriptor = descriptor
        self._report = report
        self._kept = bytearray()
        self._dropped = 0  # lines
        self._is_gone = False
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    @property
    def waits(self) -> bool:
        """Whether something is kept back."""
        return bool(self._kept)

    def write(self, *lines: bytes) -> None:
        """Write each line, keep it, or drop it; never wait."""
        for line in lines:
            if len(self._kept) + len(line) > LIMIT:
                self.pump()  # before any is given up: somebody may well read
            if len(self._kept) + len(line) > LIMIT:
                self._dropped += 1
            else:
                self._kept += line
        self.pump()

    def pump(self, timeout_s: float = 0.0) -> None:
        """Write what is kept, as far as it is taken within so many seconds."""
        deadline = time.monotonic() + timeout_s
        while self._kept and self._takes(max(0.0, deadline - time.monotonic())):
            try:
                written = os.write(self._descriptor, self._kept[:CHUNK])
            except OSError as error:
                # A full disk may have room later; a reader who has gone does not come back.
                self._is_gone = error.errno == errno.EPIPE
                break
            del self._kept[:written]
            if self._dropped and len(self._kept) < LIMIT // 2:
                self._kept += self._report(self._dropped)
                self._dropped = 0
        if self._is_gone:
            self._kept.clear()

    def _takes(self, timeout_s: float) -> bool:
        """Whether a piece can be written without waiting."""
        if self._is_gone:
            return False
        events = self._poll.poll(timeout_s * 1000)
        self._is_gone = any(event & ~select.POLLOUT for _, event in events)
        return bool(events) and not self._is_gone
