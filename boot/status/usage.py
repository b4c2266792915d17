"""What programs use of the machine: a program is a process group, with all that it has started (proc(5))."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
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
    for folder in proc.glob("[0-9]*"):
        try:
            # comm may hold spaces and brackets; what follows it does not
            fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            group = int(fields[2])
            if group in groups:
                before = found.get(group, Usage())
                cpu_s = (int(fields[11]) + int(fields[12])) / TICKS_S
                found[group] = Usage(before.memory + _memory(folder), before.cpu_s + cpu_s)
        except OSError:  # has ended meanwhile
            continue
    return found


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
