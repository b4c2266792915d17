"""The time to stop that systemd grants."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

from boot.doctor.durations import seconds
from boot.doctor.grant import Grant

UNIT: Final = "doorito.service"  # where the stack does not run, and does not tell another name
PATIENCE_S: Final = 5.0  # seconds


def grants(budget: int, pid: int | None, proc: Path = Path("/proc")) -> list[Grant]:
    """What the unit of the stack that runs as `pid`, or UNIT, grants; empty where there is neither."""
    unit = (unit_of(_read(proc / str(pid) / "cgroup")) if pid else None) or UNIT
    granted = timeout(_show(unit))
    setting = f"`TimeoutStopSec={{seconds}}` in {unit} (`systemctl edit {unit}`)"
    return [] if granted is None else [Grant(unit, granted, budget, setting)]


def unit_of(cgroups: str) -> str | None:
    """The service in /proc/PID/cgroup, such as "0::/system.slice/doorito.service"."""
    match = re.search(r"/([^/\n]+\.service)$", cgroups, re.MULTILINE)
    return match[1] if match else None


def timeout(shown: str) -> float | None:
    """Seconds, from what `systemctl show` prints; None for a unit that is not there."""
    properties = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    # A unit that is not there is shown with defaults.
    return seconds(properties.get("TimeoutStopUSec", "")) if properties.get("LoadState") == "loaded" else None


def _show(unit: str) -> str:
    command = ["systemctl", "show", "--property", "LoadState,TimeoutStopUSec", "--", unit]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=PATIENCE_S
        )
    except (OSError, subprocess.TimeoutExpired):  # no systemd here, or none that answers
        return ""
    return done.stdout


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
