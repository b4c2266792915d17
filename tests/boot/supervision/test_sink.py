"""Standard output whose reader is slow, or gone."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from boot.supervision.sink import CHUNK, LIMIT, Sink

LINE = b"x" * 99 + b"\n"


class Pipe:
    """A pipe, its writing end in a sink."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.sink = Sink(self.writer, lambda count: b"%d dropped\n" % count)

    def read(self) -> bytes:
        """All that is there."""
        text = b""
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self.reader, 1 << 20):
                text += chunk
        return text

    def read_all(self) -> bytes:
        """All that the sink has."""
        text = self.read()
        while self.sink.waits:
            self.sink.pump()
            text += self.read()
        return text


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    for descriptor in (made.reader, made.writer):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def test_lines_come_out_at_once(pipe: Pipe) -> None:
    """Where somebody reads."""
    pipe.sink.write(b"one\n")
    assert pipe.read() == b"one\n"
    assert not pipe.sink.waits


def test_lines_that_come_together_are_written_together(pipe: Pipe) -> None:
    """One write, as long as they fit."""
    pipe.sink.write(b"one\n", b"two\n")
    assert os.read(pipe.reader, 1 << 20) == b"one\ntwo\n"


def test_what_is_not_read_is_kept_in_order(pipe: Pipe) -> None:
    """More than the pipe holds, less than the limit: every line, whole."""
    size = fcntl.fcntl(pipe.writer, fcntl.F_GETPIPE_SZ)
    lines = [b"%06d\n" % number for number in range(2 * size // 7)]
    for line in lines:
        pipe.sink.write(line)
    assert pipe.sink.waits
    assert pipe.read_all() == b"".join(lines)


def test_beyond_the_limit_lines_are_dropped_and_counted(pipe: Pipe) -> None:
    """What comes out is whole lines, and the number of those that do not."""
    total = 3 * LIMIT // len(LINE)
    for _ in range(total):
        pipe.sink.write(LINE)
    found = pipe.read_all().splitlines(keepends=True)
    (report,) = [line for line in found if line.endswith(b"dropped\n")]
    kept = [line for line in found if line != report]
    assert set(kept) == {LINE}
    assert len(kept) + int(report.split()[0]) == total


def test_more_than_the_limit_at_once_is_written_where_somebody_reads(tmp_path: Path) -> None:
    """A burst of a program that becomes longer by its names; a file takes all of it."""
    file = tmp_path / "log"
    total = 2 * LIMIT // len(LINE)
    with file.open("wb") as output:
        Sink(output.fileno(), lambda count: b"%d dropped\n" % count).write(*[LINE] * total)
    assert file.read_bytes() == LINE * total


def test_lines_after_a_gap_come_out_again(pipe: Pipe) -> None:
    """After the report."""
    for _ in range(2 * LIMIT // len(LINE)):
        pipe.sink.write(LINE)
    pipe.read_all()
    pipe.sink.write(b"again\n")
    assert pipe.read_all() == b"again\n"


def test_a_reader_that_has_gone_is_not_waited_for(pipe: Pipe) -> None:
    """Also where the pipe is full, which polls neither readable nor writable."""
    for _ in range(LIMIT // len(LINE)):
        pipe.sink.write(LINE)
    assert pipe.sink.waits
    os.close(pipe.reader)
    pipe.sink.pump()
    assert not pipe.sink.waits
    pipe.sink.write(LINE)
    assert not pipe.sink.waits


def test_a_line_longer_than_a_piece_is_whole(pipe: Pipe) -> None:
    """Written in pieces."""
    line = b"y" * (CHUNK * 3) + b"\n"
    pipe.sink.write(line)
    assert pipe.read_all() == line


def test_the_last_lines_may_take_a_moment(pipe: Pipe) -> None:
    """And no longer: whoever does not read does not keep anybody from ending."""
    for _ in range(LIMIT // len(LINE)):
        pipe.sink.write(LINE)
    pipe.sink.pump(0.05)
    assert pipe.sink.waits


def test_a_full_disk_may_have_room_again() -> None:
    """/dev/full takes nothing; what was kept waits."""
    descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        sink = Sink(descriptor, lambda count: b"%d dropped\n" % count)
        sink.write(LINE)
        assert sink.waits
    finally:
        os.close(descriptor)
