"""The main job, end to end: web -> PostgreSQL -> worker -> result on the page; beat cleans up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.system.jobs import do_main_job, visitor
from tests.system.stack import Stack, wait_until

pytestmark = pytest.mark.system


def test_supervisorctl_shows_every_program_running(stack: Stack) -> None:
    """`supervisorctl status` names the four programs of a development machine, all RUNNING."""
    assert stack.status() == dict.fromkeys(("postgres", "web", "celery-worker", "celery-beat"), "RUNNING")


def test_the_probes_answer(stack: Stack) -> None:
    """/healthz and /readyz say that all is well."""
    assert stack.get("/healthz") == (200, b"ok\n")
    assert stack.get("/readyz") == (200, b'{"ready": true, "reasons": []}')


def test_an_uploaded_file_is_examined_by_the_worker(stack: Stack) -> None:
    """The page shows the file done with its SHA-256, and it was the worker's process that did it."""
    client = visitor(stack)
    done = r"^celery-worker +\| .*Task uploads\.process\[[^]]+\] succeeded"
    before = len(re.findall(done, stack.log, re.MULTILINE))
    do_main_job(stack, client)
    wait_until("the worker's word", lambda: len(re.findall(done, stack.log, re.MULTILINE)) > before)
    assert not re.search(r"^web +\| .*succeeded", stack.log, re.MULTILINE)


def test_beat_makes_the_worker_remove_what_has_expired(database_url: str) -> None:
    """Row and file go when their time is up, on beat's schedule, by the worker's hands."""
    environ = {
        "DATABASE_URL": database_url,
        "CLEANUP_UPLOADS_INTERVAL_HOURS": "0.0006",  # 2 seconds
        "UPLOAD_LIFETIME_HOURS": "0.001",  # 4 seconds
    }
    with Stack(environ=environ) as stack:
        stack.start()
        client = visitor(stack)
        do_main_job(stack, client)
        stack.wait_for("the row to go", lambda: not client.uploads())
        assert _files(stack.state_dir / "media") == []
        assert stack.says(r"^celery-beat +\| .*Sending due task clean-up-uploads")
        stack.wait_for(
            "the worker's word", lambda: stack.says(r"^celery-worker .*uploads\.clean_up.*'removed': 1")
        )


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
