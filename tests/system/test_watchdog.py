"""A program whose loop stands still is ended and started again; one that works for long is not."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.databases import away, database
from tests.system.stack import Stack

pytestmark = pytest.mark.system

LIMIT_S = 4


@pytest.fixture(scope="module")
def watched(migrated: str) -> Iterator[Stack]:
    """A stack that waits for a few seconds only, and knows a slow task and a worker that can be blocked."""
    limits = {f"WATCHDOG_{name}_S": str(LIMIT_S) for name in ("WEB", "WORKER", "BEAT")}
    probe = {"DJANGO_SETTINGS_MODULE": "tests.system.probe_settings", "SUPERVISE_RESTARTS": "1000"}
    with database(template=migrated) as url, Stack(environ={"DATABASE_URL": url, **limits, **probe}) as stack:
        yield stack.start()


def _is_replaced(stack: Stack, program: str, pid: int) -> bool:
    return stack.program_pid(program) not in (0, pid)


@pytest.mark.parametrize("program", ["web", "celery-worker", "celery-beat"])
def test_a_stopped_program_is_replaced(watched: Stack, program: str) -> None:
    """By SIGSTOP: it is alive, and does nothing. The log says why it was ended."""
    pid, before = watched.program_pid(program), len(watched.log)
    os.kill(pid, signal.SIGSTOP)
    watched.wait_for(f"another {program}", lambda: _is_replaced(watched, program, pid))
    assert f"{program} has not reported for" in watched.log[before:]
    watched.wait_for("health", lambda: watched.doorito("health").returncode == 0)


def test_a_worker_whose_main_loop_is_blocked_is_replaced(watched: Stack) -> None:
    """By code that never returns. Where it stood is in the log, since it was aborted first."""
    pid, before = watched.program_pid("celery-worker"), len(watched.log)
    watched.manage("from boot.celery import app; app.control.broadcast('block')")
    watched.wait_for("another worker", lambda: _is_replaced(watched, "celery-worker", pid))
    watched.wait_for("where it stood", lambda: "in block_for_ever" in watched.log[before:])
    watched.wait_for("health", lambda: watched.doorito("health").returncode == 0)


def test_a_long_task_is_no_reason(watched: Stack, tmp_path: Path) -> None:
    """The loop turns while a process of the pool works."""
    pid = watched.program_pid("celery-worker")
    seconds = LIMIT_S * 2.5
    watched.manage(f"from tests.system.probe_tasks import slow; slow.delay({str(tmp_path)!r}, {seconds})")
    watched.wait_for("the task to end", (tmp_path / "finished").exists)
    assert watched.program_pid("celery-worker") == pid


def test_a_worker_that_waits_for_its_broker_is_no_reason(watched: Stack) -> None:
    """It reports that it waits, for as long as it does."""
    pid = watched.program_pid("celery-worker")
    with away(watched.environ["DATABASE_URL"]):
        waits = "celery-worker: not ready: not connected to the broker"
        watched.wait_for("it to wait", lambda: waits in watched.doorito("health").stdout)
        tries = watched.log.count("Cannot connect to")
        watched.wait_for("some tries", lambda: watched.log.count("Cannot connect to") >= tries + 3)
        assert waits in watched.doorito("health").stdout
    watched.wait_for("health", lambda: watched.doorito("health").returncode == 0)
    assert watched.program_pid("celery-worker") == pid
