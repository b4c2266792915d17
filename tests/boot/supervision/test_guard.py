"""What is done to a program that hangs: real processes, a fake clock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from boot import heartbeat
from boot.supervision.guard import ABORTED_S, Guard
from boot.supervision.programs import Programs
from boot.supervision.watchdog import Watchdog
from tests.boot.supervision.fakes import Process, supervisord

LIMIT_S = 5.0


@pytest.fixture
def hung() -> Iterator[subprocess.Popen[bytes]]:
    """A process, the leader of its group, that does nothing; with a fault handler, as programs have it."""
    command = [sys.executable, "-c", "import time\nprint(flush=True)\ntime.sleep(600)"]
    with subprocess.Popen(
        command,
        env={"PYTHONFAULTHANDLER": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout
        process.stdout.readline()
        yield process
        if process.poll() is None:
            process.kill()


class Stage:
    """A guard of one worker."""

    def __init__(self, folder: Path, pid: int) -> None:
        self.said: list[str] = []
        programs = Programs(supervisord(Process("celery-worker", pid=pid)))
        heartbeat.report(folder, "celery-worker", ready=True)
        self.guard = Guard(programs, Watchdog({"celery-worker": LIMIT_S}), folder, self.said.append)

    def watch(self, seconds: float) -> None:
        """Two looks a second."""
        for half in range(int(seconds * 2) + 1):
            self.guard.turn(half / 2)


def test_it_is_aborted_and_writes_down_where_it_stood(tmp_path: Path, hung: subprocess.Popen[bytes]) -> None:
    """And the log says why."""
    stage = Stage(tmp_path, hung.pid)
    stage.watch(LIMIT_S + 1)
    assert hung.wait(60) == -signal.SIGABRT
    assert hung.stderr
    assert b"Fatal Python error: Aborted" in hung.stderr.read()
    assert stage.said == [
        f"celery-worker has not reported for {LIMIT_S + 1:.0f} s: it hangs, and is ended (watchdog)"
    ]


def test_what_cannot_even_abort_is_killed(tmp_path: Path, hung: subprocess.Popen[bytes]) -> None:
    """A stopped process gets no signal but SIGKILL."""
    os.kill(hung.pid, signal.SIGSTOP)
    stage = Stage(tmp_path, hung.pid)
    stage.watch(LIMIT_S + 1)
    assert stage.guard.until_due(LIMIT_S + 1) == ABORTED_S
    assert hung.poll() is None
    stage.guard.turn(LIMIT_S + 1 + ABORTED_S)
    assert hung.wait(60) == -signal.SIGKILL


def test_within_its_limit_nothing_happens(tmp_path: Path, hung: subprocess.Popen[bytes]) -> None:
    """Nor when it reports."""
    stage = Stage(tmp_path, hung.pid)
    stage.watch(LIMIT_S - 1)
    assert stage.said == []
    assert stage.guard.until_due(LIMIT_S) is None
    assert hung.poll() is None
