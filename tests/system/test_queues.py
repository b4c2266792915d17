"""`doorito queues`, as a person types it."""

from __future__ import annotations

import json
import socket

import pytest

from tests.system.stack import Stack

pytestmark = pytest.mark.system


def test_it_shows_the_queues_of_a_running_stack(stack: Stack) -> None:
    """Those that the worker consumes, by one consumer each."""
    done = stack.doorito("queues", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    consumers = {fact["name"]: fact["consumers"] for fact in json.loads(done.stdout)["queues"]}
    assert (consumers["high"], consumers["default"]) == (1, 1)
    done = stack.doorito("queues", "requeue", "1000000", "--json")
    assert (done.returncode, json.loads(done.stdout)["requeued"]) == (1, [])


def _refused(environ: dict[str, str]) -> tuple[int, str]:
    """Exit status, and the one line that says why."""
    with Stack(environ=environ, embedded=False) as stack:
        done = stack.doorito("queues")
        assert done.stdout == ""
        [line] = done.stderr.splitlines()
        return done.returncode, line


def test_another_broker_is_a_wrong_use(database_url: str) -> None:
    """Whether it answers or not."""
    status, why = _refused({"DATABASE_URL": database_url, "CELERY_BROKER_URL": "redis://:secret@localhost"})
    assert why == "doorito: the broker is another one (redis), and only that on PostgreSQL can be seen"
    assert status == 64


def test_a_database_that_is_away_is_said() -> None:
    """With the driver's reason and what may help."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"postgresql://doorito:secret@127.0.0.1:{taken.getsockname()[1]}/doorito"
        status, why = _refused({"DATABASE_URL": url})
    assert status == 69
    assert "refused" in why
    assert "in DATABASE_URL" in why
    assert "secret" not in why


def test_missing_tables_are_said(empty_database_url: str) -> None:
    """With the command that makes them."""
    status, why = _refused({"DATABASE_URL": empty_database_url})
    assert (status, why.rpartition("; ")[2]) == (78, "run: doorito broker migrate")


def test_wrong_variables_are_said() -> None:
    """As everywhere."""
    status, why = _refused({"DATABASE_URL": "sqlite:///x", "WEB_PORT": "http"})
    assert status == 78
    assert why.startswith("doorito: WEB_PORT")
