"""The memory limit against what the processes are expected to take.

The figures are proportional set sizes (Pss of /proc/PID/smaps_rollup: shared pages are divided among
those who share them) of this project with its sample feature, measured while more people than there were
threads uploaded pictures of 1500 x 1500 pixels: 445 MiB with 2 web processes and 2 of the worker, 575 with
4 and 2, 504 with 2 and 4; at rest 293, 328 and 302. Code of yours that holds more needs more.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from boot import roles
from boot.cgroup import GROUPS, memory_limit
from boot.doctor.deployment import PROC, Deployment
from boot.doctor.finding import Finding, error, ok, skipped, warning
from boot.doctor.sizes import KIB, MIB, words
from boot.roles import kind

CHECK: Final = "memory"
SUPERVISORD: Final = 16 * MIB  # bytes, as all of these
Sizes = Mapping[str, int]
BASES: Final = {"web": 45 * MIB, "celery-worker": 55 * MIB, "celery-beat": 70 * MIB}
EACH: Final = {"web": 75 * MIB, "celery-worker": 55 * MIB}
BASES_AT_REST: Final = {"web": 70 * MIB, "celery-worker": 93 * MIB, "celery-beat": 70 * MIB}
EACH_AT_REST: Final = {"web": 17 * MIB, "celery-worker": 5 * MIB}
COUNTS: Final = {"web": "WEB_WORKERS", "celery-worker": "CELERY_CONCURRENCY"}
WARNING_SHARE: Final = 0.8  # of the limit: the rest is for pictures, tasks and files that are being written


def check(deployment: Deployment, proc: Path = PROC, groups: Path = GROUPS) -> Finding:
    counts = [COUNTS[kind(program)] for program in deployment.programs if kind(program) in COUNTS]
    if lacking := deployment.lacks(*counts):
        return skipped(CHECK, lacking)
    process = proc / str(deployment.pid or "self")
    limit, machine = memory_limit(process, groups), total(proc)
    programs, typed = deployment.programs, deployment.env.typed
    busy = estimate(programs, typed, BASES, EACH)
    at_rest = estimate(programs, typed, BASES_AT_REST, EACH_AT_REST)
    return enough(busy, at_rest, reckoning(programs, typed), limit, machine)


def estimate(programs: tuple[str, ...], typed: Mapping[str, Any], bases: Sizes, each: Sizes) -> int:
    """Bytes that supervisord and the programs are expected to take, of a base and for each process."""
    processes = sum(
        each[kind(program)] * count for program, count in roles.processes(programs, typed).items()
    )
    return SUPERVISORD + sum(bases[kind(program)] for program in programs) + processes


def reckoning(programs: tuple[str, ...], typed: Mapping[str, Any]) -> str:
    """Such as "4 of web, 4 of celery-worker, celery-beat"."""
    counts = roles.processes(programs, typed)
    return ", ".join(f"{counts[name]} of {name}" if name in counts else name for name in programs)


def enough(busy: int, at_rest: int, processes: str, limit: int | None, machine: int | None) -> Finding:
    """`limit` is the control group's, None for none; then the machine's memory is what there is.

    An error where it would not even start; a warning where it may be killed once all have work.
    """
    known = [size for size in (limit, machine) if size is not None]
    message = f"about {words(busy)} when all work, {words(at_rest)} at rest ({processes})"
    if not known:
        return ok(CHECK, f"{message}; no limit")
    bound = min(known)
    whose = "the limit is" if bound == limit else "no limit but the machine's"
    message = f"{message}; {whose} {words(bound)}"
    mend = "raise the limit (`mem_limit`, `MemoryMax=`), or lower WEB_WORKERS or CELERY_CONCURRENCY"
    if at_rest > bound:
        return error(CHECK, message, mend)
    return warning(CHECK, message, mend) if busy > bound * WARNING_SHARE else ok(CHECK, message)


def total(proc: Path) -> int | None:
    """The machine's memory in bytes."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in (proc / "meminfo").read_text().splitlines():
            if line.startswith("MemTotal:"):
                return int(line.split()[1]) * KIB  # "MemTotal:       24683520 kB"
    return None
