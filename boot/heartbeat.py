"""A program's word on itself: `<runtime>/heartbeat/<program>.json`, read by supervisord's plug-in.

Standard library only, so that the plug-in can read it without Django.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import threading
import time
from pathlib import Path
from typing import Final, NamedTuple

SIZE: Final = 512  # bytes of a report, at least: the next one, a bit longer, is to fit in its place
FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class Fact(NamedTuple):
    """What a program has said of itself."""

    at: float  # CLOCK_BOOTTIME, seconds
    ready: bool
    reasons: tuple[str, ...]
    processes: int | None = None  # that it works with
    exempt: bool = False  # from the watchdog: its loop stands still while a task runs


def now() -> float:
    """CLOCK_BOOTTIME in seconds: it goes on while a machine sleeps, and nobody sets it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def path(runtime_dir: str | Path, program: str) -> Path:
    """Where `program` reports."""
    return Path(runtime_dir, "heartbeat", f"{program}.json")


def report(
    runtime_dir: str | Path,
    program: str,
    ready: bool,
    reasons: tuple[str, ...] = (),
    processes: int | None = None,
    exempt: bool = False,
) -> None:
    """Say whether `program` is ready, replacing atomically what it said before.

    The file holds `{"at": CLOCK_BOOTTIME seconds, "ready": bool, "reasons": [...], "processes": number or
    null, "exempt": bool}`. Where the disk is full, it is written over what is there, since nobody is to think
    that the program hangs; what cannot be written at all is logged, and no reason to end.
    """
    target = path(runtime_dir, program)
    said = json.dumps(Fact(now(), ready, reasons, processes, exempt)._asdict()).encode().ljust(SIZE)
    draft = target.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
    try:
        target.parent.mkdir(mode=0o700, exist_ok=True)
        draft.write_bytes(said)
        draft.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        if error.errno in FULL and _write_over(target, said):
            return
        import logging  # here: the health probe, which reads only, is to be cheap

        logging.getLogger(__name__).warning("%s cannot be written: %s", target, error.strerror)


def _write_over(target: Path, said: bytes) -> bool:
    """Takes no room but on a file system that never writes in place; whether it worked."""
    try:
        with target.open("r+b", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            return len(said) <= size and os.pwrite(file.fileno(), said.ljust(size), 0) == size
    except OSError:
        return False


def read(runtime_dir: str | Path, program: str) -> Fact | None:
    """What `program` said last; None where it has said nothing that can be understood."""
    try:
        said = json.loads(path(runtime_dir, program).read_bytes())
        reasons = tuple(map(str, said["reasons"]))
        processes = said.get("processes")
        exempt = said.get("exempt") is True
        return Fact(float(said["at"]), said["ready"] is True, reasons, processes, exempt)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def is_ready(runtime_dir: str | Path, program: str) -> bool:
    """Whether `program` has said that it is ready."""
    fact = read(runtime_dir, program)
    return fact is not None and fact.ready


def forget(runtime_dir: str | Path, program: str) -> None:
    """Drop what an earlier process of `program` said."""
    path(runtime_dir, program).unlink(missing_ok=True)
