"""What tasks write down, outside any broker: files to which every process appends whole lines."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from tests.bench.broker.terms import GATE

FOLDER: Final = "BENCH_LEDGER"  # the variable that tells processes where the ledger is
WORKER: Final = "BENCH_WORKER"  # and this one a worker's processes which worker they belong to
TICKS_A_LINE: Final = 10  # so that measuring does not dominate a task that does nothing
TICK_BYTES: Final = 21  # of one such line: a time in nanoseconds, and a line's end

_descriptors: dict[str, int] = {}
_ticks = 0


def folder() -> Path:
    """Where this process's ledger is."""
    return Path(os.environ[FOLDER])


def append(name: str, line: str) -> None:
    """Append a line, from any process: one write, which O_APPEND keeps whole."""
    if name not in _descriptors:
        path = folder() / name
        _descriptors[name] = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(_descriptors[name], f"{line}\n".encode())


def tick() -> None:
    """Count one executed task; each tenth of a process writes the time down."""
    global _ticks
    _ticks += 1
    if _ticks % TICKS_A_LINE == 0:
        append("ticks", f"{time.monotonic_ns():020}")


class Ledger:
    """A folder of such files, read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def clear(self) -> None:
        """Forget everything, between two measurements."""
        for path in self.folder.iterdir():
            path.unlink()

    def open_gate(self) -> None:
        """Let the tasks go on that wait for it."""
        (self.folder / GATE).touch()

    def lines(self, name: str) -> list[str]:
        """All whole lines so far."""
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def size(self, name: str) -> int:
        """Bytes written so far."""
        path = self.folder / name
        return path.stat().st_size if path.exists() else 0

    def ticks(self) -> int:
        """Tasks that are known to have been executed; up to nine more of each process are."""
        return self.size("ticks") // TICK_BYTES * TICKS_A_LINE

    def times(self) -> list[float]:
        """When (monotonic seconds) each further ten tasks had been executed."""
        return sorted(int(line) / 1e9 for line in self.lines("ticks"))


class Follower:
    """Reads what has been added to a file since it looked last."""

    def __init__(self, ledger: Ledger, name: str) -> None:
        self._path = ledger.folder / name
        self._offset = 0

    def new_lines(self) -> list[str]:
        """Whole lines; half a line is left for the next look."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.decode().splitlines()
