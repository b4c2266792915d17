"""The table of `doorito status`."""

from __future__ import annotations

import json
from typing import Any

from boot.status import report
from boot.status.usage import Usage

WEB: dict[str, Any] = {
    "name": "web", "state": "RUNNING", "pid": 7, "uptime_s": 93784.6, "restarts": 2, "ready": True,
    "reasons": [], "processes": 6, "configured_processes": 4,
}  # fmt: skip
BEAT: dict[str, Any] = {
    "name": "celery-beat", "state": "FATAL", "pid": 0, "uptime_s": 0.0, "restarts": 9, "ready": False,
    "reasons": [], "processes": 0, "configured_processes": 0,
}  # fmt: skip
WORKER = WEB | {
    "name": "celery-worker", "pid": 8, "uptime_s": 5.0, "restarts": 0, "ready": False, "processes": 4,
    "reasons": ["heartbeat 41 s old", "not connected to the broker"],
}  # fmt: skip


def rows(*programs: dict[str, Any]) -> list[dict[str, Any]]:
    return report.rows(programs, {7: Usage(123_456_789, 9.0), 8: Usage(50_000_000, 1.0)}, {7: 12.34, 8: 0.04})


def test_the_table() -> None:
    """Numbers to the right, reasons last; what does not run has none of either."""
    assert report.table(rows(WEB, WORKER, BEAT), coloured=False) == (
        "PROGRAM        STATE    PID      UPTIME  RESTARTS   PROCESSES  MEMORY     CPU  READY\n"
        "web            RUNNING    7  1d 2:03:04         2  6 (set: 4)  123 MB  12.3 %  ready\n"
        "celery-worker  RUNNING    8     0:00:05         0           4   50 MB   0.0 %  "
        "not ready: heartbeat 41 s old; not connected to the broker\n"
        "celery-beat    FATAL      -           -         9           -       -       -  -\n"
    )


def test_colours_tell_what_is_well() -> None:
    """Green, yellow and red; the heading has none."""
    heading, *lines = report.table(rows(WEB, WORKER, BEAT), coloured=True).splitlines()
    assert "\x1b" not in heading
    assert [line[:5] for line in lines] == ["\x1b[32m", "\x1b[33m", "\x1b[31m"]
    assert all(line.endswith("\x1b[0m") for line in lines)


def test_machines_get_an_object() -> None:
    """With numbers; null where there is none."""
    found = json.loads(report.as_json(rows(WEB, BEAT)))
    assert found["ready"] is False
    assert found["programs"][0]["memory"] == 123_456_789
    assert found["programs"][0]["cpu_percent"] == 12.3
    assert found["programs"][1]["memory"] is None


def test_all_is_well_when_all_run_and_are_ready() -> None:
    """Ready alone is not enough, nor is RUNNING."""
    assert report.is_well([WEB])
    assert not report.is_well([WEB, WORKER])
    assert not report.is_well([WEB | {"state": "STARTING"}])
