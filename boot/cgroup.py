"""The limits of a control group, of memory and CPU: version 2, version 1, or both side by side."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

UNLIMITED: Final = 2**60  # bytes; version 1 says "no limit" with a number just below 2**63
GROUPS: Final = Path("/sys/fs/cgroup")


def memory_limit(process: Path, groups: Path = GROUPS) -> int | None:
    """Bytes that the group of a process and those above it allow; None where there is no limit.

    `process` is the process's folder such as /proc/self, `groups` is where control groups are mounted.
    """
    found = []
    for folder, is_second in _folders(process, groups, "memory"):
        name = "memory.max" if is_second else "memory.limit_in_bytes"
        with contextlib.suppress(OSError, ValueError):  # not there; "max"
            found.append(int((folder / name).read_text()))
    return min((limit for limit in found if limit < UNLIMITED), default=None)


def cpu_limit(process: Path, groups: Path = GROUPS) -> float | None:
    """CPUs that the group of a process and those above it allow, such as 1.5; None for no limit."""
    found = []
    for folder, is_second in _folders(process, groups, "cpu"):
        with contextlib.suppress(OSError, ValueError):  # not there; "max"
            if is_second:  # "150000 100000": of each period, in microseconds
                quota, period = map(int, (folder / "cpu.max").read_text().split())
            else:
                quota = int((folder / "cpu.cfs_quota_us").read_text())
                period = int((folder / "cpu.cfs_period_us").read_text())
            if quota > 0 and period > 0:  # version 1 says "no limit" with -1
                found.append(quota / period)
    return min(found, default=None)


def _folders(process: Path, groups: Path, controller: str) -> Iterator[tuple[Path, bool]]:
    """The folders that may hold a limit, each with whether it is of version 2."""
    try:
        lines = (process / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from ((groups / place, True) for place in _upwards(path))
        elif controller in controllers.split(","):
            yield from ((groups / controller / place, False) for place in _upwards(path))


def _upwards(path: str) -> list[str]:
    """The group and all above it, relative to the mount.

    In a container the mount begins at the container's own group while version 1 names the host's: those
    that are not there are passed over, and the last, the mount itself, is the container's.
    """
    group = PurePosixPath(path.lstrip("/"))
    return [str(place) for place in (group, *group.parents) if ".." not in place.parts]
