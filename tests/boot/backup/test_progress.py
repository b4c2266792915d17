"""How far it is, for people and for logs."""

from __future__ import annotations

import io

import pytest

from boot.backup.progress import Progress, readable


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class _Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (99_949, "99.9 kB"),
        (999_600, "1.0 MB"),
        (5e15, "5000 TB"),
    ],
)
def test_a_size_has_the_unit_that_suits_it(size: float, expected: str) -> None:
    """Units of 1000, one digit where it says something."""
    assert readable(size) == expected


def test_on_a_terminal_one_line_changes() -> None:
    """Percent, bytes and rate; nothing of it stays."""
    terminal, clock = _Terminal(), _Clock()
    progress = Progress(terminal, clock)
    progress.begin("copying", total=4_000_000)
    progress.advance(1)
    assert terminal.getvalue() == ""
    clock.now = 0.5
    progress.advance(999_999)
    assert terminal.getvalue() == "\r\x1b[Kcopying: 25 % (1.0 MB of 4.0 MB), 2.0 MB/s"
    progress.end()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_elsewhere_a_line_comes_now_and_then() -> None:
    """Every five seconds; a short job says nothing."""
    log, clock = io.StringIO(), _Clock()
    progress = Progress(log, clock)
    progress.begin("dumping")
    for second in range(1, 12):
        clock.now = second
        progress.advance(1_000_000)
    progress.end()
    assert log.getvalue() == "doorito: dumping: 5.0 MB, 1.0 MB/s\ndoorito: dumping: 10.0 MB, 1.0 MB/s\n"


def test_chunks_are_counted_on_their_way() -> None:
    """They come out as they went in."""
    log, clock = io.StringIO(), _Clock()
    progress = Progress(log, clock)
    clock.now = 10
    assert list(progress.counted([b"ab", b"c"])) == [b"ab", b"c"]
    assert "2 bytes" in log.getvalue()
