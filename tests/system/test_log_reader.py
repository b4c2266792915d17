"""Whoever reads the log may be slow, or gone: programs work on, and what was dropped is told."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

from tests.system.databases import database
from tests.system.stack import Stack

pytestmark = pytest.mark.system

LINES = 40_000


@pytest.fixture
def read_by_us(migrated: str) -> Iterator[Stack]:
    """A web server whose standard output is a pipe that the test reads, or does not."""
    environ = {"DJANGO_SETTINGS_MODULE": "tests.system.probe_settings"}
    with database(template=migrated) as url, Stack("web", environ={"DATABASE_URL": url, **environ}) as stack:
        yield stack


def make_noise(stack: Stack) -> None:
    """Four megabytes of lines from a request, which is answered all the same."""
    status, body = stack.get(f"/probe/noise/?lines={LINES}")
    assert (status, body) == (200, b"noise was made")


def test_a_reader_that_sleeps_holds_up_nobody(read_by_us: Stack) -> None:
    """A pipe holds 64 kB and supervisord a megabyte more; the rest is dropped, counted and reported."""
    reader = read_by_us.begin_into_pipe()
    read_by_us.wait_until_answering()
    make_noise(read_by_us)
    assert read_by_us.answers("/readyz")
    assert "ready" in read_by_us.supervisorctl("status")
    text = _read_until(reader, b"were dropped here")
    lines = text.decode().splitlines()
    dropped = next(
        int(match[1]) for line in lines if (match := re.search(r"\| (\d+) lines were dropped here", line))
    )
    noise = [line for line in lines if re.fullmatch(r"web +\| noise \d+ x{100}", line)]
    assert len(noise) + dropped >= LINES
    assert all(re.match(r"[a-z-]+ +\|", line) for line in lines[:-1])
    make_noise(read_by_us)
    os.close(reader)


def test_a_reader_that_has_gone_holds_up_nobody(read_by_us: Stack) -> None:
    """As `doorito run | head` does."""
    os.close(read_by_us.begin_into_pipe())
    read_by_us.wait_until_answering()
    make_noise(read_by_us)
    assert read_by_us.answers("/readyz")
    assert read_by_us.stop() == 0


def _read_until(reader: int, end: bytes) -> bytes:
    """All up to the end of the line that holds `end`; nothing may follow it."""
    text = b""
    while b"\n" not in text.partition(end)[2]:
        chunk = os.read(reader, 65536)
        assert chunk
        text += chunk
    return text
