"""A stop in order: readiness fails first, what runs is finished, what lasts too long runs again."""

from __future__ import annotations

import http.client
import json
import re
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.system.databases import database
from tests.system.stack import Stack

pytestmark = pytest.mark.system


@pytest.fixture
def own(migrated: str) -> Iterator[Stack]:
    """A stack that knows slow tasks and slow pages."""
    environ = {
        "DJANGO_SETTINGS_MODULE": "tests.system.probe_settings",
        "CELERY_TASK_SOFT_TIME_LIMIT_S": "600",
        "CELERY_TASK_TIME_LIMIT_S": "700",
    }
    with database(template=migrated) as url, Stack(environ={"DATABASE_URL": url, **environ}) as stack:
        yield stack


def begin_task(stack: Stack, folder: Path, seconds: float) -> None:
    stack.manage(f"from tests.system.probe_tasks import slow; slow.delay({str(folder)!r}, {seconds})")
    stack.wait_for("the task to begin", (folder / "begun").exists)


def ask(stack: Stack, path: str, found: list[tuple[int, bytes]]) -> threading.Thread:
    """Ask for a page without waiting; its answer comes into `found`."""
    thread = threading.Thread(target=lambda: found.append(stack.get(path)))
    thread.start()
    return thread


def at(log: str, pattern: str) -> float:
    """When supervisord first said something, in seconds."""
    match = re.search(rf"(\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d,\d{{3}}) \w+ {pattern}", log)
    assert match, f"{pattern} is not in the log\n{log}"
    return datetime.strptime(match[1], "%Y-%m-%d %H:%M:%S,%f").replace(tzinfo=UTC).timestamp()


def test_the_web_server_drains(own: Stack) -> None:
    """For WEB_DRAIN_S it says that it is not ready, and serves; beat and worker have long stopped."""
    own.environ["WEB_DRAIN_S"] = "4"
    own.start()
    assert own.answers("/readyz")
    before = len(own.log)
    own.send(signal.SIGTERM)
    own.wait_for("readiness to fail", lambda: own.get("/readyz")[0] == 503)
    assert json.loads(own.get("/readyz")[1]) == {"ready": False, "reasons": ["it is about to stop"]}
    assert own.answers("/healthz")
    own.wait_for("beat to stop", lambda: "stopped: celery-beat" in own.log[before:])
    assert own.answers("/healthz")
    assert own.wait() == 0
    log = own.log[before:]
    assert at(log, "stopped: web") - at(log, "received SIGTERM") >= 4
    assert at(log, "stopped: celery-worker") < at(log, "stopped: web")


def test_what_runs_is_finished_side_by_side(own: Stack, tmp_path: Path) -> None:
    """A request of three seconds and a task of three: both are whole, and nobody waits for the other."""
    own.start()
    begin_task(own, tmp_path, 3)
    found: list[tuple[int, bytes]] = []
    asking = ask(own, "/probe/slow/?seconds=3", found)
    own.wait_for("the request to begin", lambda: "the slow page begins" in own.log)
    before = len(own.log)
    assert own.stop() == 0
    asking.join()
    assert found == [(200, b"slowly but surely")]
    assert (tmp_path / "finished").exists()
    assert "SIGKILL" not in own.log[before:]


def test_a_request_that_comes_during_a_stop_is_refused(own: Stack) -> None:
    """At once: it would wait in a backlog that nobody empties any more."""
    own.start()
    found: list[tuple[int, bytes]] = []
    asking = ask(own, "/probe/slow/?seconds=3", found)
    own.wait_for("the request to begin", lambda: "the slow page begins" in own.log)
    own.send(signal.SIGTERM)
    own.wait_for("refusal", lambda: _is_refused(own))
    asking.join()
    assert found == [(200, b"slowly but surely")]
    assert own.wait() == 0


def _is_refused(stack: Stack) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=2)
    try:
        connection.connect()
    except ConnectionRefusedError:
        return True
    finally:
        connection.close()
    return False


def test_a_task_that_outlasts_the_budget_runs_again(own: Stack, tmp_path: Path) -> None:
    """It is killed when the time is up, goes back to its queue, and the next start runs it."""
    own.environ["STOP_BUDGET_S"] = "20"
    own.start()
    begin_task(own, tmp_path, 600)
    before = len(own.log)
    assert own.stop() == 0
    assert "killing 'celery-worker'" in own.log[before:]
    assert own.processes() == []
    (tmp_path / "begun").unlink()
    own.start()
    own.wait_for("the task to begin again", (tmp_path / "begun").exists)
