"""Free space where files grow: uploads, and Python's temporary files.

Bytes are judged by their number, not by their share: 5 % of a large disk is plenty, and of a small tmpfs
nothing. Inodes are judged by their share, since each file takes one, whatever its size.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from boot.doctor.deployment import Deployment
from boot.doctor.finding import Finding, Level, ok, skipped
from boot.doctor.folders import existing, temporary
from boot.doctor.sizes import GIB, MIB, words

CHECK: Final = "free space"
# Uploads: forty of 25 MB, time for somebody to act; and four, which is as good as full.
MEDIA: Final = (1 * GIB, 100 * MIB)  # bytes: below the first a warning, below the second an error
# Temporary files are small ones, and often a tmpfs of 64 MiB holds them.
TEMPORARY: Final = (32 * MIB, 4 * MIB)
INODES: Final = (0.05, 0.01)  # shares


@dataclass(frozen=True)
class Space:
    """What is free for an ordinary user on a folder's file system; `inodes` is 0 where they are no limit."""

    path: Path
    free: int  # bytes
    inodes: int
    free_inodes: int


def check(deployment: Deployment) -> Iterator[Finding]:
    uploads = deployment.value("MEDIA_ROOT")
    if uploads:
        yield _look(uploads, "MEDIA_ROOT", MEDIA)
    else:
        yield skipped(CHECK, deployment.lacks("MEDIA_ROOT"))
    yield _look(temporary(deployment), "TMPDIR", TEMPORARY)


def _look(path: Path, variable: str, bounds: tuple[int, int]) -> Finding:
    try:
        found = os.statvfs(existing(path))
    except OSError as error:
        return skipped(CHECK, f"{path} cannot be asked ({error.strerror})")
    space = Space(path, found.f_bavail * found.f_frsize, found.f_files, found.f_favail)
    return enough(space, variable, bounds)


def enough(space: Space, variable: str, bounds: tuple[int, int]) -> Finding:
    """`bounds` are bytes: below the first a warning, below the second an error."""
    share = space.free_inodes / space.inodes if space.inodes else 1.0
    if (level := _level(space.free, bounds)) is not Level.OK:
        message = f"{words(space.free)} are free at {space.path}, less than {_bound(space.free, bounds)}"
        return Finding(CHECK, level, message, f"make room there, or set {variable} to another place")
    if (level := _level(share, INODES)) is not Level.OK:
        message = f"{share:.1%} of the inodes are free at {space.path}: few more files can be made"
        return Finding(CHECK, level, message, f"delete files there, or set {variable} to another place")
    return ok(CHECK, f"{words(space.free)} are free at {space.path}")


def _level(free: float, bounds: tuple[float, float]) -> Level:
    low, too_low = bounds
    return Level.ERROR if free < too_low else Level.WARNING if free < low else Level.OK


def _bound(free: int, bounds: tuple[int, int]) -> str:
    return words(min(bound for bound in bounds if free < bound))
