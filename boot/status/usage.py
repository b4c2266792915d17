"""What programs use of the machine: a program is a process group, with all that it has started (proc(5)).

Also with processes that have made groups of their own, as PostgreSQL's do, as long as their parents live.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

PROC: Final = Path("/proc")
TICKS_S: Final = os.sysconf("SC_CLK_TCK")  # clock ticks a second
PAGE: Final = os.sysconf("SC_PAGE_SIZE")  # bytes


class Usage(NamedTuple):
    """Of one process group."""

    memory: int = 0  # bytes; what several processes share is divided among them, where that may be seen
    cpu_s: float = 0.0  # seconds since each of its processes began


def measure(groups: Collection[int], proc: Path = PROC) -> dict[int, Usage]:
    """What each of these process groups uses now; those that are gone are left out."""
    found: dict[int, Usage] = {}
    processes = dict(_processes(proc))
    for pid, process in processes.items():
        group = _group(process, processes, groups)
        if group is not None:
            with contextlib.suppress(OSError):  # has ended meanwhile
                before = found.get(group, Usage())
                memory = _memory(proc / str(pid))
                found[group] = Usage(before.memory + memory, before.cpu_s + process.cpu_s)
    return found


class _Process(NamedTuple):
    parent: int
    group: int
    cpu_s: float


def _processes(proc: Path) -> Iterator[tuple[int, _Process]]:
    for folder in proc.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # has ended meanwhile
            # comm may hold spaces and brackets; what follows it does not
            fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            cpu_s = (int(fields[11]) + int(fields[12])) / TICKS_S
            yield int(folder.name), _Process(int(fields[1]), int(fields[2]), cpu_s)


def _group(process: _Process, processes: Mapping[int, _Process], groups: Collection[int]) -> int | None:
    """Whose it is: its own group's, or that of the nearest of those that it descends from."""
    seen: _Process | None = process
    for _ in processes:  # no further: a pid that was used again could be its own ancestor
        if seen is None or seen.group in groups:
            break
        seen = processes.get(seen.parent)
    return seen.group if seen is not None and seen.group in groups else None


def shares(before: Mapping[int, Usage], after: Mapping[int, Usage], elapsed_s: float) -> dict[int, float]:
    """Of one CPU, in per cent, between two measurements."""
    return {
        group: max(0.0, used.cpu_s - before[group].cpu_s) / elapsed_s * 100
        for group, used in after.items()
        if group in before and elapsed_s > 0
    }


def _memory(folder: Path) -> int:
    try:
        lines = (folder / "smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):  # another user's process
        return int((folder / "statm").read_text().split()[1]) * PAGE
