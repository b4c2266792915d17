"""Tracebacks are one record each."""

from __future__ import annotations

import subprocess
import sys

import pytest

from boot.supervision.tracebacks import LONGEST, WAIT_S, Tracebacks

CHAINED = """
try:
    try:
        raise ValueError("first")
    except ValueError as error:
        raise KeyError("second") from error
except KeyError:
    raise RuntimeError("third")
"""
GROUP = "raise ExceptionGroup('many', [ValueError('one'), TypeError('two')])"


def traceback(code: str) -> list[str]:
    """What Python prints of an error that nobody catches."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    return done.stderr.splitlines()


def records(*lines: str) -> list[str]:
    """What is made of lines that come one right after the other."""
    joined = Tracebacks()
    return [record for line in lines for record in joined.feed(line, 0.0)] + joined.flush()


def test_other_lines_are_records_by_themselves() -> None:
    """Also those that are indented, or empty."""
    assert records("one", "  two", "", "three") == ["one", "  two", "", "three"]


@pytest.mark.parametrize(
    "code", ["1/0", CHAINED, GROUP, "def broken(:"], ids=["plain", "chained", "group", "syntax"]
)
def test_a_traceback_is_one_record(code: str) -> None:
    """Whole, with what it was raised from; what comes before and after is not part of it."""
    lines = traceback(code)
    begun = next((index for index, line in enumerate(lines) if "Traceback" in line), len(lines))
    assert records("before", *lines, "after") == [
        "before",
        *lines[:begun],
        *(["\n".join(lines[begun:])] if begun < len(lines) else []),
        "after",
    ]


def test_two_tracebacks_are_two_records() -> None:
    """One right after the other."""
    lines = traceback("1/0")
    assert records(*lines, *lines) == ["\n".join(lines)] * 2


def test_a_traceback_at_the_end_comes_out_after_a_moment() -> None:
    """Nothing has followed it."""
    joined = Tracebacks()
    assert joined.due is None
    lines = traceback("1/0")
    assert [record for line in lines for record in joined.feed(line, 5.0)] == []
    assert joined.due == 5.0 + WAIT_S
    assert joined.flush() == ["\n".join(lines)]
    assert joined.due is None
    assert joined.flush() == []


def test_one_without_an_end_is_given_out_in_pieces() -> None:
    """Not kept for ever."""
    frames = ['  File "x.py", line 1, in f'] * (LONGEST + 10)
    found = records("Traceback (most recent call last):", *frames)
    assert len(found) > 1
    assert sum(record.count("File") for record in found) == len(frames)
