"""The log on standard output: every line names its program, as text and as JSON."""

from __future__ import annotations

import json
import re

import pytest

from tests.system.stack import Stack

pytestmark = pytest.mark.system


def _unnamed(log: str) -> list[str]:
    return [line for line in log.splitlines() if not re.match(r"[a-z-]+ +\|( |$)", line)]


def test_every_line_of_a_running_stack_names_its_program(stack: Stack) -> None:
    """Whatever the stack has said since its start."""
    assert _unnamed(stack.log) == []
    names = {line.split()[0] for line in stack.log.splitlines()}
    expected = {"postgres", "web", "celery-worker", "celery-beat", "prepare", "doorito", "supervisord"}
    assert names == expected


def test_every_line_names_its_program_to_the_last(database_url: str) -> None:
    """From the first line of a start to the last of a stop."""
    with Stack("web", environ={"DATABASE_URL": database_url}) as stack:
        assert stack.start().stop() == 0
        assert _unnamed(stack.log) == []
        assert stack.says(r"^web +\| .*Shutting down: Master$")


def test_supervisorctl_tails_a_program(stack: Stack) -> None:
    """`supervisorctl tail web` shows the newest that the program wrote; of requests the path alone."""
    assert stack.get("/asked-for-the-tail?not-for-the-log")[0] == 404
    stack.wait_for("the request", lambda: "asked-for-the-tail" in stack.supervisorctl("tail", "web"))
    access = [line for line in stack.log.splitlines() if "gunicorn.access" in line]
    assert not any("not-for-the-log" in line for line in access)


def test_every_line_is_a_json_object() -> None:
    """With LOG_FORMAT=json: of all programs, the launcher, PostgreSQL, supervisord, and tracebacks too."""
    environ = {"LOG_FORMAT": "json", "DJANGO_SETTINGS_MODULE": "tests.system.probe_settings"}
    with Stack(environ=environ) as stack:
        stack.start()
        stack.manage("from tests.system.probe_tasks import fail; fail.delay()")
        stack.wait_for("the task to fail", lambda: "this task always fails" in stack.log)
        assert stack.stop() == 0
        records = [json.loads(line) for line in stack.log.splitlines()]
        assert all({"program", "time", "message"} <= record.keys() for record in records)
        expected = {"postgres", "web", "celery-worker", "celery-beat", "prepare", "doorito", "supervisord"}
        assert {record["program"] for record in records} == expected
        (failed,) = [record for record in records if "this task always fails" in record.get("exc_info", "")]
        assert (failed["program"], failed["level"]) == ("celery-worker", "ERROR")
        assert "Traceback" in failed["exc_info"]
        assert records[0]["program"] == "doorito"
        assert records[-1]["program"] == "supervisord"
