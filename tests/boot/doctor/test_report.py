"""The report."""

from __future__ import annotations

import json

import pytest

from boot.doctor import report
from boot.doctor.finding import Finding, error, ok, skipped, status, warning

WELL = ok("clock", "is right")
LATE = warning("clock", "is late", "wind it up")
GONE = error("clock", "is gone", "buy one")
DARK = skipped("clock", "it is dark")


@pytest.mark.parametrize(
    ("findings", "expected"),
    [([], 0), ([WELL], 0), ([WELL, DARK], 0), ([LATE, WELL], 1), ([GONE, LATE, WELL], 2)],
)
def test_the_worst_finding_is_the_exit_status(findings: list[Finding], expected: int) -> None:
    """What was not checked changes nothing."""
    assert status(findings) == expected


def test_a_finding_is_one_line_and_its_mend_another() -> None:
    """Below what it mends; nothing is wrapped where nobody looks."""
    assert report.lines(WELL, colours=False, width=None) == "ok       clock        is right"
    assert report.lines(LATE, colours=False, width=None) == (
        "warning  clock        is late\n                      -> wind it up"
    )


def test_long_lines_hang_below_their_beginning() -> None:
    """Within the terminal."""
    long = warning("clock", "tick tock " * 12, "wind it up " * 9)
    lines = report.lines(long, colours=False, width=80).splitlines()
    assert max(map(len, lines)) <= 80
    assert all(line.startswith(" " * 22) for line in lines[1:])


def test_colours_are_of_the_word_alone() -> None:
    """And end with it."""
    assert report.lines(GONE, colours=True, width=None).startswith("\x1b[1;31merror    \x1b[0mclock")


def test_nothing_moves_the_cursor() -> None:
    """A server may say what it likes."""
    said = report.lines(error("database", "\x1b[2J\r\u202egone", "look"), colours=False, width=None)
    assert "\\x1b[2J\\r\\u202egone" in said


def test_the_summary_counts() -> None:
    """Grammar included."""
    assert report.summary([WELL]) == "0 errors, 0 warnings"
    assert report.summary([GONE, LATE, LATE, DARK]) == "1 error, 2 warnings, 1 not checked"


def test_json_has_all_of_it() -> None:
    """Status, counts, and every finding."""
    assert json.loads(report.as_json([GONE, WELL])) == {
        "status": 2,
        "errors": 1,
        "warnings": 0,
        "skipped": 0,
        "findings": [
            {"check": "clock", "level": "error", "message": "is gone", "mend": "buy one"},
            {"check": "clock", "level": "ok", "message": "is right", "mend": ""},
        ],
    }
