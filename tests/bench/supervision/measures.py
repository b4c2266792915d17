"""What is measured, each a function from a ground to numbers; systems alternate within it."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from statistics import mean
from typing import Any, Final

from tests.bench.supervision import usage
from tests.bench.supervision.ground import PROGRAMS, Ground
from tests.bench.supervision.requests import Clients
from tests.bench.supervision.systems import Alone, Honcho, Ours, Stock, System, children

SETTLED_S: Final = 2.5  # seconds: beyond startsecs, so that a death is no failed start
SPIN_S: Final = 0.0002  # seconds between two looks for a new process
IDLE_S: Final = 20.0  # seconds
WRK_S: Final = 3  # seconds
Say = Callable[[str], None]
Numbers = dict[str, list[float]]


def starts(ground: Ground, rounds: int, say: Say) -> Numbers:
    """Seconds from the supervisor's exec until all three are ready."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for system in _alternating(rounds, Ours, Honcho, Stock):
        with system(ground) as running:
            found[running.name].append(running.wait_until_ready())
            time.sleep(SETTLED_S)
        say(f"start, {running.name}: {found[running.name][-1]:.2f} s")
    return dict(found)


def returns(ground: Ground, rounds: int, say: Say) -> Numbers:
    """Milliseconds from a program's SIGKILL to its new process; and until the kernel has ended the other."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for system in (Ours, Stock):
        with system(ground) as running:
            running.wait_until_ready()
            for number in range(rounds):
                time.sleep(SETTLED_S + number * 0.137)  # not in step with a loop of a second
                gone, back = _kill_and_wait(running, PROGRAMS[number % 3])
                found[running.name].append(back)
                found[f"{running.name}: until the kernel has ended the old one"].append(gone)
    for name, times in found.items():
        say(f"kill, {name}: {', '.join(f'{ms:.1f}' for ms in times)} ms")
    return dict(found)


def stops(ground: Ground, rounds: int, say: Say) -> Numbers:
    """Seconds from TERM to the end of an idle stack."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for system in _alternating(rounds, Ours, Stock):
        with system(ground) as running:
            running.wait_until_ready()
            time.sleep(SETTLED_S)
            found[running.name].append(running.stop())
        say(f"stop, {running.name}: {found[running.name][-1]:.2f} s")
    return dict(found)


def footprints(ground: Ground, say: Say) -> dict[str, dict[str, float]]:
    """Of an idle supervisor: megabytes, and per cent of a CPU; and the CPU seconds of a health probe."""
    found: dict[str, dict[str, float]] = {}
    for system in (Ours, Stock):
        with system(ground) as running:
            running.wait_until_ready()
            time.sleep(SETTLED_S)
            pid, begun = running.process.pid, time.monotonic()
            before = usage.cpu_s(pid)
            time.sleep(IDLE_S)
            share = (usage.cpu_s(pid) - before) / (time.monotonic() - begun) * 100
            found[running.name] = {"memory_mb": usage.memory_mb(pid), "idle_cpu_percent": share}
            if isinstance(running, Ours):
                probes = sorted(usage.probe_cpu_s(ground) for _ in range(11))
                found[running.name]["probe_cpu_s"] = probes[len(probes) // 2]
        say(f"idle, {running.name}: {found[running.name]}")
    return found


def losses(ground: Ground, least: int, say: Say) -> list[dict[str, Any]]:
    """Requests that failed while the web server was replaced again and again, of at least so many."""
    found = []
    for system, action in _replacements():
        for connections in (8, 64):
            with system(ground) as running:
                running.wait_until_ready()
                time.sleep(SETTLED_S)
                with Clients(ground.port, connections) as clients:
                    times = _replace_again_and_again(running, action, clients, least)
                row = {
                    "system": running.name,
                    "action": action,
                    "connections": connections,
                    "requests": clients.total,
                    "failed": clients.failed,
                    "fates": dict(clients.fates),
                    "times": times,
                }
            outcome = f"{row['failed']} of {row['requests']} failed"
            say(f"{running.name}, {action}, {connections} connections: {outcome}")
            found.append(row)
    return found


def throughput(ground: Ground, pairs: int, say: Say) -> list[dict[str, float]]:
    """Requests a second of pairs, which run beside each other and are asked by turns; needs wrk.

    Two starts of the same server differ by several per cent, and so do two minutes of one machine: each pair
    is two new servers, asked in the order A B B A A B B A. Each request has a connection of its own: those
    that are kept stay with the process that took them, and sometimes one of the two takes all (seen with 8
    and with 64 connections, held socket or not: half the rate, the other process without any CPU time).
    """
    if not shutil.which("wrk"):
        say("wrk is not installed (apt install wrk): requests a second are left out")
        return []
    found = []
    for number in range(pairs):
        with Alone(ground) as alone, Ours(ground) as ours:
            first, second = (ours, alone) if number % 2 else (alone, ours)
            for running in (first, second):
                running.wait_until_ready()
            time.sleep(SETTLED_S)  # until the other process of each takes requests as well
            asked = [(running.name, _wrk(running.port)) for running in (first, second, second, first) * 2]
        pair = {name: mean(rate for one, rate in asked if one == name) for name, _ in asked}
        found.append(pair)
        say(f"requests a second, pair {number + 1}: {pair}")
    return found


def _alternating(rounds: int, *systems: type[System]) -> Iterator[type[System]]:
    for number in range(rounds):
        yield from systems if number % 2 else reversed(systems)


def _kill_and_wait(running: System, program: str) -> tuple[float, float]:
    """Milliseconds until its parent can know of its end (pidfd_open(2)), and until it has a successor."""
    before = set(children(running.process.pid))
    pid = running.pid(program)
    ended = select.poll()
    watched = os.pidfd_open(pid)
    try:
        ended.register(watched, select.POLLIN)
        begun = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        ended.poll()
        gone = time.monotonic()
    finally:
        os.close(watched)
    while not set(children(running.process.pid)) - before:
        time.sleep(SPIN_S)
    return (gone - begun) * 1000, (time.monotonic() - begun) * 1000


def _replacements() -> list[tuple[type[System], str]]:
    return [(Ours, "restart"), (Ours, "reload"), (Ours, "kill -9"), (Stock, "restart"), (Stock, "kill -9")]


def _replace_again_and_again(running: System, action: str, clients: Clients, least: int) -> int:
    """Until so many requests have been made; how often."""
    times = 0
    while times < 3 or clients.so_far < least:
        if action == "kill -9":
            os.kill(running.pid("web"), signal.SIGKILL)
        elif action == "restart":
            running.restart_web()
        elif isinstance(running, Ours):
            running.reload()
        times += 1
        time.sleep(SETTLED_S + 1)
    return times


def _wrk(port: int) -> float:
    options = ["-t1", "-c64", f"-d{WRK_S}s", "-H", "Connection: close"]
    command = ["wrk", *options, f"http://127.0.0.1:{port}/healthz"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return next(
        float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("Requests/sec:")
    )
