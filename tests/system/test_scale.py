"""More and fewer processes for a stack that runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.databases import database
from tests.system.jobs import do_main_job
from tests.system.load import Load
from tests.system.stack import Stack

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def own(migrated: str) -> Iterator[Stack]:
    """One web process, two in the pool."""
    with database(template=migrated) as url, Stack(environ={"DATABASE_URL": url}) as stack:
        yield stack.start()


def of(stack: Stack, program: str) -> Any:
    found = json.loads(stack.doorito("status", "--json").stdout)["programs"]
    return next(one for one in found if one["name"] == program)


def test_programs_change_their_number_without_a_restart(own: Stack) -> None:
    """Requests and tasks go on; the status tells both numbers."""
    pids = {program: own.program_pid(program) for program in ("web", "celery-worker")}
    with Load(("127.0.0.1", own.port), "/healthz") as load:
        load.wait_for(20)
        done = own.doorito("scale", "web=3", "celery-worker=4")
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [
            "web: 3 processes; 1 again after its next start",
            "celery-worker: 4 processes; 2 again after its next start",
        ]
        load.wait_for(20)
        assert (of(own, "web")["processes"], of(own, "celery-worker")["processes"]) == (3, 4)
        assert "3 (set: 1)" in own.doorito("status").stdout
        done = own.doorito("scale", "web=1", "celery-worker=2")
        assert done.stdout.splitlines() == ["web: 1 processes", "celery-worker: 2 processes"]
        load.wait_for(20)
    assert load.failed == {}
    assert {program: own.program_pid(program) for program in pids} == pids
    do_main_job(own)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("web", "'web' is not of the form PROGRAM=N, with N from 1 to 128"),
        ("web=0", "'web=0' is not of the form PROGRAM=N, with N from 1 to 128"),
        ("web=many", "'web=many' is not of the form PROGRAM=N, with N from 1 to 128"),
        ("celery-beat=2", "celery-beat has no processes to change here; web, celery-worker have"),
    ],
)
def test_what_cannot_be_is_refused(own: Stack, asked: str, message: str) -> None:
    """With what can be, and 64; nothing changes, not even what is right."""
    done = own.doorito("scale", "web=2", asked)
    assert done.returncode == 64
    assert done.stderr == f"doorito scale: {message}\n"
    assert of(own, "web")["processes"] == 1


def test_a_program_that_does_not_run_is_not_scaled(own: Stack) -> None:
    """It says so."""
    own.supervisorctl("stop", "celery-worker")
    done = own.doorito("scale", "celery-worker=3")
    assert done.returncode == 69
    assert done.stderr == "doorito scale: celery-worker does not run, or has not reported yet\n"
    own.supervisorctl("start", "celery-worker")


def test_web_processes_are_replaced_after_so_many_requests(migrated: str) -> None:
    """WEB_MAX_REQUESTS, and no request is lost for it."""
    with database(template=migrated) as url, Stack("web", environ={"DATABASE_URL": url}) as stack:
        stack.environ |= {"WEB_MAX_REQUESTS": "50", "WEB_WORKERS": "2", "LOG_LEVEL": "info"}
        stack.start()
        with Load(("127.0.0.1", stack.port), "/healthz") as load:
            load.wait_for(400)
        assert load.failed == {}
        assert stack.log.count("Booting worker with pid") > 2


def test_a_task_process_that_has_grown_is_replaced(migrated: str, tmp_path: Path) -> None:
    """CELERY_MAX_MEMORY_PER_CHILD: every process has more than a kilobyte, so each runs one task."""
    environ = {"DJANGO_SETTINGS_MODULE": "tests.system.probe_settings", "CELERY_MAX_MEMORY_PER_CHILD": "1"}
    with (
        database(template=migrated) as url,
        Stack("celery-worker", environ={"DATABASE_URL": url, "CELERY_CONCURRENCY": "1", **environ}) as stack,
    ):
        stack.start()
        tasks = f"[note_process.delay({str(tmp_path)!r}) for _ in range(3)]"
        stack.manage(f"from tests.system.probe_tasks import note_process; {tasks}")
        stack.wait_for("three processes to have noted themselves", lambda: len(list(tmp_path.iterdir())) == 3)
