"""A killed program comes back."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest

from tests.system.jobs import do_main_job, visitor
from tests.system.stack import Stack

pytestmark = pytest.mark.system

PROGRAMS = ("postgres", "web", "celery-worker", "celery-beat")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_killed_program_comes_back(program: str, stack: Stack) -> None:
    """After SIGKILL it is RUNNING again as another process, its children are gone, all else runs."""
    before = stack.program_pid(program)
    os.kill(before, signal.SIGKILL)
    stack.wait_for(f"{program} to be replaced", lambda: stack.program_pid(program) not in (0, before))
    stack.wait_for("all to run", lambda: set(stack.status().values()) == {"RUNNING"})
    stack.wait_for("the site", lambda: stack.answers("/readyz"))
    stack.wait_for("its children to end", lambda: not _group(before))


def test_a_worker_replaces_itself_when_told_to(stack: Stack) -> None:
    """SIGHUP is Celery's own restart: the same process runs the same program anew."""
    stack.wait_for("the worker to be connected", lambda: _worker_is_ready(stack))
    pid, before = stack.program_pid("celery-worker"), stack.log.count(" ready.\n")
    stack.supervisorctl("signal", "HUP", "celery-worker")
    stack.wait_for("its word", lambda: stack.log.count(" ready.\n") > before)
    assert stack.program_pid("celery-worker") == pid
    assert b"boot.celery_program\0worker\0" in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_the_main_job_works_after_all_that(stack: Stack) -> None:
    """Log-in, upload, worker, result: as before."""
    stack.wait_for("the worker to be connected", lambda: _worker_is_ready(stack))
    do_main_job(stack, visitor(stack))


def _group(leader: int) -> list[str]:
    """The processes of a group: supervisord makes each program the leader of one."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.getpgid(int(process.name)) == leader:
                found.append((process / "cmdline").read_text().replace("\0", " "))
    return found


def _worker_is_ready(stack: Stack) -> bool:
    """Whether the worker's newest process has said so."""
    _, _, since = stack.log.rpartition("spawned: 'celery-worker'")
    return "ready." in since
