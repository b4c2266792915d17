"""`doorito scale PROGRAM=N`: more or fewer processes for a program that runs, until its next start.

gunicorn changes its number on TTIN and TTOU, Celery its pool by remote control; both go on meanwhile.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from boot import capacity
from boot.control import Control
from boot.reload import environment_of, status

PATIENCE_S: Final = 30.0  # seconds until a program works with the new number
LOOK_S: Final = 0.05  # seconds between two looks


class Wrong(Exception):
    """What was asked for cannot be understood; the message says what can."""


class NotScaled(Exception):
    """It was understood and did not happen; the message says why."""


def parse(items: Sequence[str]) -> dict[str, int]:
    """The numbers asked for, by program. Raises Wrong."""
    wanted = {}
    for item in items:
        name, equals, number = item.partition("=")
        if not (equals and number.isascii() and number.isdigit() and 1 <= int(number) <= capacity.MOST):
            raise Wrong(f"{item!r} is not of the form PROGRAM=N, with N from 1 to {capacity.MOST}")
        if name in wanted:
            raise Wrong(f"{name} is named twice")
        wanted[name] = int(number)
    return wanted


def run(wanted: Mapping[str, int]) -> None:
    """Carry it out, a line for each program. Raises Wrong, NotScaled, NotRunning."""
    control = Control()
    scalable = {program["name"]: program for program in status(control) if program["configured_processes"]}
    if unknown := wanted.keys() - scalable.keys():
        raise Wrong(f"{sorted(unknown)[0]} has no processes to change here; {', '.join(scalable)} have")
    for name in wanted:
        if not scalable[name]["processes"]:
            raise NotScaled(f"{name} does not run, or has not reported yet")
    for name, number in wanted.items():
        change = _change_web if name == "web" else _change_worker
        change(control, scalable[name], number)
        configured = scalable[name]["configured_processes"]
        until = "" if number == configured else f"; {configured} again after its next start"
        print(f"{name}: {number} processes{until}", flush=True)


def _change_web(control: Control, program: Mapping[str, Any], number: int) -> None:
    """A signal for each step: two at once could be taken for one."""
    step = 1 if number > program["processes"] else -1
    for reached in range(program["processes"] + step, number + step, step):
        control.ask("supervisor.signalProcess", "web", "TTIN" if step > 0 else "TTOU")
        _wait(lambda reached=reached: _processes(control, "web") == reached, "web")  # type: ignore[misc]


def _change_worker(control: Control, program: Mapping[str, Any], number: int) -> None:
    name, change = program["name"], number - program["processes"]
    # Its own environment, which a reload may have renewed, and not that of whoever types the command.
    command = [sys.executable, "-m", "boot.pool", name, str(change)]
    done = subprocess.run(
        command, env=environment_of(program["pid"]), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotScaled(done.stderr.strip() or f"{name} cannot be told")
    _wait(lambda: _processes(control, name) == number, name)


def _wait(condition: Callable[[], bool], name: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise NotScaled(f"{name} has not changed its number within {PATIENCE_S:.0f} s")
        time.sleep(LOOK_S)


def _processes(control: Control, name: str) -> int:
    return next((int(program["processes"]) for program in status(control) if program["name"] == name), 0)
