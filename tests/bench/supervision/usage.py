"""Memory and CPU of processes, as the kernel counts them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.bench.supervision.ground import Ground
from tests.system.stack import ROOT


def memory_mb(pid: int) -> float:
    """Proportional set size."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def cpu_s(pid: int) -> float:
    """On a CPU since it began, in nanoseconds' grain (proc(5): schedstat)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def probe_cpu_s(ground: Ground) -> float:
    """User and system time of one `doorito health`."""
    process = subprocess.Popen(
        [sys.executable, "doorito", "health"], cwd=ROOT, env=ground.environ, stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError("doorito health finds the stack unhealthy")
    return used.ru_utime + used.ru_stime
