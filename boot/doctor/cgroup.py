"""The memory limit of a control group: version 2, version 1, or both side by side."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

UNLIMITED: Final = 2**60  # bytes; version 1 says "no limit" with a number just below 2**63


def memory_limit(process: Path, groups: Path) -> int | None:
    """Bytes that the group of a process and those above it allow; None where there is no limit.

    `process` is the process's folder such as /proc/self, `groups` is /sys/fs/cgroup.
    """
    return min(_limits(process, groups), default=None)


def _limits(process: Path, groups: Path) -> Iterator[int]:
    for file in _files(process, groups):
        with contextlib.suppress(OSError, ValueError):  # not there; "max"
            limit = int(file.read_text())
            if limit < UNLIMITED:
                yield limit


def _files(process: Path, groups: Path) -> Iterator[Path]:
    """The files that may hold a limit."""
    try:
        lines = (process / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from (groups / place / "memory.max" for place in _upwards(path))
        elif "memory" in controllers.split(","):
            yield from (groups / "memory" / place / "memory.limit_in_bytes" for place in _upwards(path))


def _upwards(path: str) -> list[str]:
    """The group and all above it, relative to the mount.

    In a container the mount begins at the container's own group while version 1 names the host's: those
    that are not there are passed over, and the last, the mount itself, is the container's.
    """
    group = PurePosixPath(path.lstrip("/"))
    return [str(place) for place in (group, *group.parents) if ".." not in place.parts]
