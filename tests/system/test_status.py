"""How each program is: in supervisorctl, in `doorito status`, for machines."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from boot import heartbeat
from tests.system.databases import away, database
from tests.system.stack import Stack

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def own(migrated: str) -> Iterator[Stack]:
    """A stack with a worker for each queue."""
    environ = {"CELERY_WORKERS": "high:1,default:2"}
    with database(template=migrated) as url, Stack(environ={"DATABASE_URL": url, **environ}) as stack:
        yield stack.start()


@pytest.fixture
def ready(own: Stack) -> Iterator[Stack]:
    own.wait_for("health", lambda: own.doorito("health").returncode == 0)
    yield own
    own.wait_for("health", lambda: own.doorito("health").returncode == 0)


PROGRAMS = ["web", "celery-worker-default", "celery-worker-high", "celery-beat"]


def said(stack: Stack, program: str) -> str:
    """What `supervisorctl status` says of a program beside its state."""
    match = re.search(rf"^{program} +(.*)$", stack.supervisorctl("status"), re.MULTILINE)
    return match[1] if match else ""


def of(stack: Stack, program: str) -> Any:
    """The same for machines."""
    found = json.loads(stack.doorito("status", "--json").stdout)["programs"]
    return next(one for one in found if one["name"] == program)


def test_every_program_is_ready(ready: Stack) -> None:
    """In both, beside its state."""
    for program in PROGRAMS:
        assert re.fullmatch(r"RUNNING +pid \d+, uptime [0-9:]+, ready", said(ready, program)), program
    done = ready.doorito("status")
    assert done.returncode == 0
    heading, *lines = done.stdout.splitlines()
    assert heading.split() == [
        "PROGRAM", "STATE", "PID", "UPTIME", "RESTARTS", "PROCESSES", "MEMORY", "CPU", "READY",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines] == PROGRAMS
    assert all(line.endswith(" ready") for line in lines)


def test_machines_get_numbers(ready: Stack) -> None:
    """Bytes, per cent, seconds; and how many processes there are."""
    found = json.loads(ready.doorito("status", "--json").stdout)
    assert found["ready"] is True
    worker = next(one for one in found["programs"] if one["name"] == "celery-worker-default")
    assert worker["pid"] == ready.program_pid("celery-worker-default")
    assert worker["uptime_s"] > 0
    assert worker["memory"] > 10_000_000
    assert worker["cpu_percent"] >= 0
    assert (worker["processes"], worker["configured_processes"]) == (2, 2)


def test_a_killed_program_was_restarted_once(ready: Stack) -> None:
    """What nobody asked for is counted, what somebody did by hand is not."""
    before = of(ready, "celery-beat")["restarts"]
    ready.supervisorctl("restart", "celery-beat")
    pid = ready.program_pid("celery-beat")
    os.kill(pid, signal.SIGKILL)
    ready.wait_for("another", lambda: ready.program_pid("celery-beat") not in (0, pid))
    assert of(ready, "celery-beat")["restarts"] == before + 1


def test_the_web_server_says_why_it_is_not_ready(ready: Stack) -> None:
    """By its own answer; the status ends with 1."""
    with away(ready.environ["DATABASE_URL"]):
        why = "not ready: the database does not answer"
        ready.wait_for("its word", lambda: why in said(ready, "web"))
        ready.wait_for("the worker's", lambda: "not connected to the broker" in said(ready, PROGRAMS[1]))
        done = ready.doorito("status")
        assert done.returncode == 1
        assert why in done.stdout


def test_a_program_that_is_stopped_is_not_ready(ready: Stack) -> None:
    """It is neither ready nor unready to supervisorctl; to a machine it is not."""
    ready.supervisorctl("stop", "celery-beat")
    try:
        assert said(ready, "celery-beat").startswith("STOPPED")
        assert "ready" not in said(ready, "celery-beat")
        assert of(ready, "celery-beat")["ready"] is False
        assert ready.doorito("status").returncode == 1
    finally:
        ready.supervisorctl("start", "celery-beat")


def test_a_hung_web_server_does_not_hold_up_supervisord(ready: Stack) -> None:
    """Whoever asks waits for its answer; others are served meanwhile."""
    pids = _group(ready.program_pid("web"))
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        with ready.begin_supervisorctl("status") as asking:
            served = 0
            while asking.poll() is None:
                assert ready.supervisorctl("pid").strip().isdigit()
                served += 1
            assert served
            assert asking.stdout
            assert "not ready: /readyz does not answer" in asking.stdout.read()
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def _group(leader: int) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(int(process.name)) == leader:
                found.append(int(process.name))
    return found


@pytest.mark.parametrize("program", ["celery-worker-high", "celery-beat"])
def test_an_old_heartbeat_is_told_with_its_age(ready: Stack, program: str) -> None:
    """As a wedged loop leaves it, here made old by hand."""
    pid = ready.program_pid(program)
    os.kill(pid, signal.SIGSTOP)
    try:
        path = heartbeat.path(ready.runtime_dir, program)
        fact = json.loads(path.read_text())
        path.write_text(json.dumps(fact | {"at": fact["at"] - 41}))
        assert re.search(r", not ready: heartbeat 4\d s old", said(ready, program))
    finally:
        os.kill(pid, signal.SIGCONT)


def test_without_a_stack_there_is_no_status(tmp_path: Path) -> None:
    """One line, and 69."""
    with Stack(environ={"DOORITO_RUNTIME_DIR": str(tmp_path)}) as stack:
        done = stack.doorito("status")
    assert done.returncode == 69
    assert done.stderr == f"doorito status: no stack runs here ({tmp_path}); start one with `doorito run`\n"
