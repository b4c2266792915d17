"""A stop: what runs is finished, nothing is left, and the next start finds all again."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.jobs import do_main_job
from tests.system.stack import Stack

pytestmark = pytest.mark.system

TASK_S = 3.0  # seconds; long enough to be still running when the signal comes


@pytest.fixture(scope="module")
def own() -> Iterator[Stack]:
    """A stack of this module's own that knows a slow task."""
    with Stack(environ={"DJANGO_SETTINGS_MODULE": "tests.system.probe_settings"}) as stack:
        yield stack


@pytest.fixture
def running(own: Stack) -> Stack:
    """That stack, with all its programs running, whatever the test before has stopped."""
    if not own.is_running():
        own.start()
    own.supervisorctl("start", "all")
    return own


def test_a_task_survives_term(running: Stack, tmp_path: Path) -> None:
    """TERM while a task runs: it is finished, the exit status is 0, and PostgreSQL ends last."""
    own = running
    before = len(own.log)
    _begin_task(own, tmp_path)
    assert own.stop(signal.SIGTERM) == 0
    assert (tmp_path / "finished").exists()
    _assert_nothing_is_left(own)
    stopped = [
        line.split("stopped: ")[1].split()[0] for line in own.log[before:].splitlines() if "stopped: " in line
    ]
    assert sorted(stopped) == ["celery-beat", "celery-worker", "postgres", "web"]
    assert stopped[-1] == "postgres"


def test_a_second_start_finds_the_data_again(running: Stack) -> None:
    """The administrator is the same, and the password is still the first one."""
    own = running
    own.stop()
    own.environ["DJANGO_SUPERUSER_PASSWORD"] = "another one, which is not the first"
    own.start()
    do_main_job(own)  # logs in with the first password
    assert own.log.count("created the administrator") == 1
    assert own.log.count("making a PostgreSQL database") == 1


@pytest.mark.parametrize("action", ["restart", "stop"])
def test_a_task_survives_supervisorctl(action: str, running: Stack, tmp_path: Path) -> None:
    """`supervisorctl restart` and `stop` wait for the task that runs."""
    own = running
    _begin_task(own, tmp_path)
    assert "celery-worker: stopped" in own.supervisorctl(action, "celery-worker")
    assert (tmp_path / "finished").exists()


def test_int_stops_everything(running: Stack) -> None:
    """Ctrl-C ends it like TERM: with exit status 0 and nothing left."""
    own = running
    assert own.stop(signal.SIGINT) == 0
    _assert_nothing_is_left(own)


def test_a_stop_that_comes_while_programs_are_started_reaches_them(own: Stack) -> None:
    """Also between fork and exec, where supervisord's own handlers would swallow it."""
    if own.is_running():
        own.stop()
    for _ in range(3):
        before = len(own.log)
        own.begin().wait_for("supervisord", lambda: "supervisord started" in own.log[before:])  # noqa: B023
        assert own.stop(signal.SIGTERM) == 0
        assert "SIGKILL" not in own.log[before:]
        _assert_nothing_is_left(own)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_start_that_waits_can_be_stopped(number: signal.Signals) -> None:
    """While the database is away the launcher waits, and still ends at once with status 0."""
    with socket.socket() as nobody:  # bound, not listening: a connection is refused
        nobody.bind(("127.0.0.1", 0))
        url = f"postgresql://doorito@127.0.0.1:{nobody.getsockname()[1]}/doorito"
        with Stack("web", environ={"DATABASE_URL": url}) as stack:
            stack.begin().wait_for("it to wait", lambda: stack.says(r"^prepare +\| waiting for the database"))
            before = time.monotonic()
            assert stack.stop(number) == 0
            assert time.monotonic() - before < 5
            assert "Traceback" not in stack.log
            _assert_nothing_is_left(stack)


def _begin_task(stack: Stack, folder: Path) -> None:
    stack.manage(f"from tests.system.probe_tasks import slow; slow.delay({str(folder)!r}, {TASK_S})")
    stack.wait_for("the task to begin", (folder / "begun").exists)
    assert not (folder / "finished").exists()


def _assert_nothing_is_left(stack: Stack) -> None:
    assert stack.processes() == []
    left = [path.name for path in stack.runtime_dir.rglob("*") if path.is_socket() or path.suffix == ".pid"]
    assert left == []
