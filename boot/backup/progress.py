"""How far it is: one line that changes on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TextIO

UNITS: Final = ("bytes", "kB", "MB", "GB", "TB")
TERMINAL_S: Final = 0.2  # seconds between two lines on a terminal
REPORT_S: Final = 5.0  # elsewhere
CLEAR: Final = "\r\x1b[K"  # back to the line's beginning, and wipe it


def readable(size: float) -> str:
    """A number of bytes in the unit that suits it: 1.5 MB."""
    unit = 0
    while size >= 999.5 and unit < len(UNITS) - 1:
        size, unit = size / 1000, unit + 1
    digits = 1 if unit and size < 99.95 else 0
    return f"{size:.{digits}f} {UNITS[unit]}"


class Progress:
    """Tells a stream how far a phase is, in bytes."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._is_terminal = stream.isatty()
        self._every_s = TERMINAL_S if self._is_terminal else REPORT_S
        self.begin("starting")

    def begin(self, phase: str, total: int | None = None) -> None:
        """A new phase of `total` bytes, or of nobody knows how many."""
        self._phase, self._total, self._done = phase, total, 0
        self._start = self._said = self._clock()

    def advance(self, count: int) -> None:
        """`count` more bytes are done."""
        self.reach(self._done + count)

    def reach(self, done: int) -> None:
        """`done` bytes are done, of this phase."""
        self._done = done
        now = self._clock()
        if now - self._said >= self._every_s:
            self._said = now
            self._say(self._line(now - self._start))

    def counted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The same chunks, each counted once it has been taken care of."""
        for chunk in chunks:
            yield chunk
            self.advance(len(chunk))

    def end(self) -> None:
        """Leave nothing of the line on a terminal."""
        if self._is_terminal:
            self._stream.write(CLEAR)
            self._stream.flush()

    def _line(self, elapsed_s: float) -> str:
        rate = f"{readable(self._done / elapsed_s)}/s" if elapsed_s else ""
        if not self._total:
            return f"{self._phase}: {readable(self._done)}, {rate}"
        percent = min(100, 100 * self._done // self._total)
        return f"{self._phase}: {percent} % ({readable(self._done)} of {readable(self._total)}), {rate}"

    def _say(self, line: str) -> None:
        self._stream.write(f"{CLEAR}{line}" if self._is_terminal else f"doorito: {line}\n")
        self._stream.flush()
