"""Health as a stack tells it: by what the programs' own loops report."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import pytest

from boot import heartbeat
from tests.system.databases import away
from tests.system.stack import Stack

pytestmark = pytest.mark.system


@pytest.fixture
def ready(stack: Stack) -> Iterator[Stack]:
    """The shared stack, once its probe finds it healthy; and again afterwards."""
    stack.wait_for("health", lambda: stack.doorito("health").returncode == 0)
    yield stack
    stack.wait_for("health", lambda: stack.doorito("health").returncode == 0)


@pytest.mark.parametrize("program", ["celery-worker", "celery-beat"])
def test_a_loop_reports_as_long_as_it_turns(program: str, ready: Stack) -> None:
    """Again and again; and no more once its process is stopped, which is alive, and the other goes on."""
    (other,) = {"celery-worker", "celery-beat"} - {program}
    _next_report(ready, program)
    pid = ready.program_pid(program)
    os.kill(pid, signal.SIGSTOP)
    try:
        last = heartbeat.read(ready.runtime_dir, program)
        for _ in range(3):
            _next_report(ready, other)
        assert heartbeat.read(ready.runtime_dir, program) == last
    finally:
        os.kill(pid, signal.SIGCONT)
    _next_report(ready, program)


def _next_report(stack: Stack, program: str) -> None:
    last = heartbeat.read(stack.runtime_dir, program)
    stack.wait_for(f"a report of {program}", lambda: heartbeat.read(stack.runtime_dir, program) != last)


@pytest.mark.parametrize("program", ["celery-worker", "celery-beat", "web"])
def test_a_program_that_does_not_run_is_not_healthy(program: str, ready: Stack) -> None:
    """At once: what it said of itself ended with it."""
    ready.supervisorctl("stop", program)
    try:
        done = ready.doorito("health", "--json")
        assert done.returncode == 1
        programs = json.loads(done.stdout)["programs"]
        assert [name for name, fact in programs.items() if not fact["ready"]] == [program]
    finally:
        ready.supervisorctl("start", program)


def test_another_worker_by_hand_does_not_speak_for_ours(ready: Stack) -> None:
    """Somebody looks into a container and starts a Celery command there; ours is asked all the same."""
    before = heartbeat.read(ready.runtime_dir, "celery-worker")
    code = "from boot import supervised; from django.conf import settings as s; "
    code += 'supervised.report(s.RUNTIME_DIR, "celery-worker", False, ("not ours",))'
    ready.manage(code)
    now = heartbeat.read(ready.runtime_dir, "celery-worker")
    assert before
    assert now
    assert now.ready


def test_a_worker_whose_broker_is_away_says_so(database_url: str) -> None:
    """The loop has ended, and the report says why until it is connected again."""
    with Stack("celery-worker", environ={"DATABASE_URL": database_url}) as stack:
        stack.start()
        with away(database_url):
            waits = "celery-worker: not ready: not connected to the broker"
            stack.wait_for("its word", lambda: waits in stack.doorito("health").stdout)
        stack.wait_for("its return", lambda: stack.doorito("health").returncode == 0)
