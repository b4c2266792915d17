"""Keeps the lines of a traceback together, for logs in which a record is one line. Pure."""

from __future__ import annotations

import re
from typing import Final

BEGINS: Final = re.compile(r"\s*(\+ )?(Exception Group )?Traceback \(most recent call last\):")
CHAINED: Final = re.compile(
    r"(During handling of the above exception, another exception occurred"
    r"|The above exception was the direct cause of the following exception):"
)
GROUP: Final = re.compile(r"\s*\+ Exception Group Traceback")
INSIDE: Final = re.compile(r"\s+[|+]")  # a group's lines, to the last, have a margin of their own
WAIT_S: Final = 0.2  # seconds for what may follow
LONGEST: Final = 1000  # lines


class Tracebacks:
    """Joins the lines of one program. What it has begun is given out WAIT_S after its last line."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._has_ended = False  # with the exception's own line; a chained one may follow
        self.due: float | None = None  # when to flush; monotonic

    def feed(self, line: str, now: float) -> list[str]:
        """The records that are complete with this line."""
        if not self._lines:
            if not BEGINS.match(line):
                return [line]
            return self._take(line, now)
        if len(self._lines) < LONGEST and self._continues(line):
            return self._take(line, now)
        return [*self.flush(), *self.feed(line, now)]

    def flush(self) -> list[str]:
        """What is there of a traceback, as one record."""
        text = "\n".join(self._lines).rstrip("\n")
        self._lines, self._has_ended, self.due = [], False, None
        return [text] if text else []

    def _take(self, line: str, now: float) -> list[str]:
        if self._lines and self._is_end(line):
            self._has_ended = True
        elif BEGINS.match(line):
            self._has_ended = False
        self._lines.append(line)
        self.due = now + WAIT_S
        return []

    def _continues(self, line: str) -> bool:
        if GROUP.match(self._lines[0]):
            return bool(INSIDE.match(line))
        if not self._has_ended:
            return True
        chained = bool(CHAINED.match(line)) or (
            bool(BEGINS.match(line)) and any(CHAINED.match(each) for each in self._lines[-2:])
        )
        return not line.strip() or chained

    def _is_end(self, line: str) -> bool:
        """The exception's own line stands at the margin, frames and groups do not."""
        return (
            bool(line.strip())
            and not line[0].isspace()
            and not BEGINS.match(line)
            and not CHAINED.match(line)
        )
