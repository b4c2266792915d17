"""Lines of the log on standard output: each names its program, as text or as one JSON object."""

from __future__ import annotations

import contextlib
import json
import re
import zlib
from datetime import UTC, datetime
from typing import Final

WIDTH: Final = len("celery-worker")
PLAIN: Final = "\x1b[0m"
TINTS: Final = (36, 32, 35, 34, 33, 96, 92, 95, 94)  # SGR colours of program names: none of them red
LEVEL: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ([A-Z]+) ")
LEVEL_COLOURS: Final = {"WARNING": 33, "ERROR": 31, "CRITICAL": 31}
LONGEST: Final = 64 * 1024  # bytes kept of a line that does not end
# All but tab: a name in a log line must not move the cursor or clear the screen of whoever reads it.
CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def render(
    program: str, line: str, log_format: str, now: datetime | None = None, coloured: bool = False
) -> str:
    """One line of the log without its end, for a `log_format` of "text" or "json".

    A line that is itself a JSON object keeps its keys, but for `program`; any other is its message.
    """
    if log_format != "json":
        text = CONTROL.sub(_escaped, line)
        name = f"{program:<{WIDTH}} |"
        return (f"{_tint(program)}{name}{PLAIN} {_lit(text)}" if coloured else f"{name} {text}").rstrip()
    fields = _fields(line, now or datetime.now(UTC)) | {"program": program}
    return json.dumps({"program": program} | fields, ensure_ascii=False)


def encode(line: str) -> bytes:
    """The line as it is written: a lone surrogate, which UTF-8 has no place for, as its escape."""
    return f"{line}\n".encode(errors="backslashreplace")


def _tint(program: str) -> str:
    """A colour of its own for each program, the same at every start."""
    return f"\x1b[{TINTS[zlib.crc32(program.encode(errors='replace')) % len(TINTS)]}m"


def _lit(text: str) -> str:
    """The line, in the colour of its level where that is a bad one."""
    level = LEVEL.match(text)
    colour = LEVEL_COLOURS.get(level[1]) if level else None
    return f"\x1b[{colour}m{text}{PLAIN}" if colour else text


def _escaped(match: re.Match[str]) -> str:
    return f"\\x{ord(match[0]):02x}"


def _fields(line: str, now: datetime) -> dict[str, object]:
    if line.startswith("{"):
        # RecursionError: deeply nested. NaN and its kind are Python's, not JSON's.
        with contextlib.suppress(ValueError, RecursionError):
            fields = json.loads(line, parse_constant=_refuse)
            if isinstance(fields, dict):
                return fields
    return {"time": now.isoformat(timespec="milliseconds"), "message": line}


def _refuse(constant: str) -> None:
    raise ValueError(constant)


class LineBuffer:
    """Cuts chunks of bytes into lines; keeps the last, unfinished one."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[str]:
        """The lines that `chunk` completes. One longer than LONGEST is given out in pieces."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > LONGEST:
            lines.append(self._rest)
            self._rest = b""
        return [line.decode(errors="replace").rstrip("\r") for line in lines]

    def flush(self) -> list[str]:
        """The unfinished line, if there is one: its program has ended."""
        lines = self.feed(b"\n") if self._rest else []
        self._rest = b""
        return lines
