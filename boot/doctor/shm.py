"""Shared memory, /dev/shm: gunicorn's heartbeat files and the semaphores of Celery's worker live there.

They are small; a container engine gives 64 MiB. Without the folder gunicorn does not start, and when
it is full the worker cannot make its pool.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from boot.doctor.finding import Finding, error, ok, warning
from boot.doctor.folders import refusal
from boot.doctor.sizes import MIB, words

CHECK: Final = "/dev/shm"  # noqa: S108 - a name, in a report
FOLDER: Final = Path("/dev/shm")  # noqa: S108 - as in boot/gunicorn.py
WARNING_FREE: Final = 4 * MIB  # bytes: something has filled it, for what is ours takes a few pages
MEND: Final = "a writable tmpfs there: `--shm-size 64m` or Compose's `shm_size`; `rm` what has filled it"


def check(folder: Path = FOLDER) -> Finding:
    if refused := refusal(folder):
        return error(CHECK, f"cannot be written into ({refused})", MEND)
    found = os.statvfs(folder)
    return enough(found.f_bavail * found.f_frsize)


def enough(free: int) -> Finding:
    """`free` is in bytes."""
    if free < WARNING_FREE:
        return warning(CHECK, f"{words(free)} are free, less than {words(WARNING_FREE)}", MEND)
    return ok(CHECK, f"can be written, {words(free)} are free")
