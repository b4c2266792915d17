"""Lines of the log."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime

import pytest

from boot.supervision.lines import LONGEST, LineBuffer, encode, render

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_900, UTC)


@pytest.mark.parametrize(
    ("program", "line", "expected"),
    [
        ("web", "GET /", "web           | GET /"),
        ("celery-worker", "ready", "celery-worker | ready"),
        ("web", "", "web           |"),
        ("web", "behind   ", "web           | behind"),
        ("web", "\tindented, ü 🚪", "web           | \tindented, ü 🚪"),
        ("web", "\x1b[2Jclear\x07\x9b", "web           | \\x1b[2Jclear\\x07\\x9b"),
        ("web", '{"a": 1}', 'web           | {"a": 1}'),
    ],
)
def test_text_names_the_program(program: str, line: str, expected: str) -> None:
    """Control characters are shown, not obeyed."""
    assert render(program, line, "text") == expected


def test_json_makes_an_object_of_any_line() -> None:
    """Program, time and the line as the message, on one line."""
    rendered = render("postgres", 'says "hello"\x1b', "json", NOW)
    assert "\n" not in rendered
    assert json.loads(rendered) == {
        "program": "postgres",
        "time": "2026-01-02T03:04:05.678+00:00",
        "message": 'says "hello"\x1b',
    }


def test_json_keeps_the_keys_of_an_object() -> None:
    """What a program's own logger wrote is not wrapped again."""
    line = json.dumps({"time": "then", "level": "INFO", "message": "ü"})
    expected = {"program": "web", "time": "then", "level": "INFO", "message": "ü"}
    assert json.loads(render("web", line, "json", NOW)) == expected


@pytest.mark.parametrize("line", ["{", "{not json}", "[1]", '"text"', "null", "{} {}", "{1: 2}"])
def test_json_of_what_only_looks_like_it(line: str) -> None:
    """Anything but one object is a message."""
    assert json.loads(render("web", line, "json", NOW))["message"] == line


@pytest.mark.parametrize("seed", range(20))
def test_lines_do_not_depend_on_how_bytes_arrive(seed: int) -> None:
    """Cut anywhere, also within a character, the lines are the same."""
    text = "one\n\ntwo ü 🚪\r\nthree\twith tab\nunfinished ä"
    data, draw, buffer = text.encode(), random.Random(seed), LineBuffer()
    found = []
    while data:
        size = draw.randint(1, 7)
        found += buffer.feed(data[:size])
        data = data[size:]
    assert [*found, *buffer.flush()] == ["one", "", "two ü 🚪", "three\twith tab", "unfinished ä"]
    assert buffer.flush() == []


def test_bytes_that_are_no_text_do_no_harm() -> None:
    """They become replacement characters."""
    assert LineBuffer().feed(b"a\xff\xfeb\n") == ["a\ufffd\ufffdb"]


def test_a_line_without_end_is_given_out_in_pieces() -> None:
    """So that a program cannot fill supervisord's memory; nothing of it is lost."""
    buffer, given = LineBuffer(), 0
    for _ in range(100):
        for piece in buffer.feed(b"x" * 10_000):
            assert len(piece) <= LONGEST + 10_000
            given += len(piece)
    assert given + sum(map(len, buffer.flush())) == 1_000_000


def test_an_object_cannot_name_another_program() -> None:
    """Whoever writes a line into a log does not choose whose it is."""
    line = json.dumps({"program": "postgres", "message": "x"})
    assert json.loads(render("web", line, "json"))["program"] == "web"


@pytest.mark.parametrize("line", ['{"a":' * 100_000, '{"a": NaN}', '{"a": ' + "[" * 100_000])
def test_what_a_reader_of_json_would_choke_on_is_a_message(line: str) -> None:
    """Nested without end, and numbers that only Python knows."""
    assert json.loads(render("web", line, "json"))["message"] == line


def test_a_lone_surrogate_is_written_as_its_escape() -> None:
    """A file name that is no UTF-8, logged as JSON, must not end the reading of its program's lines."""
    line = json.dumps({"message": "caf\udce9"})
    written = encode(render("web", line, "json"))
    assert json.loads(written)["message"] == "caf\udce9"
    assert encode("caf\udce9") == b"caf\\udce9\n"
