"""The file that DOORITO_ENV_FILE names, and what becomes of nasty values in it and outside of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from boot.env import Environment, examine, load
from boot.places import BASE_DIR

# DEFAULT_FROM_EMAIL takes any text.
NASTY = [
    "%", "%%", "%(x)s", "%(ENV_HOME)s", "100%", "#", "#start", "a#b", "a #b", "'", "''", "it's", '"',
    '"quoted"', "'quoted'", " leading", "trailing ", "   ", "\t", "$", "$$", "$HOME", "${HOME}", "${HOME:-x}",
    "$(id)", "`id`", "\\", "\\\\", "\\n", "C:\\new\\table", "a\\", "\\'", '\\"',
    "é", "日本語", "🙂", "\u202e",
    "a\nb", "a\n", "\na", "a\r\nb", "a\tb", "a=b", "=", "a;b", "a&b", "a|b", "<b>", "{{x}}", "{x}", "~", "*",
    "!history", "\x1b[31m", "0", "false", "null", "a,b", "a:b@c/d?e=f#g", "a" * 10_000,
]  # fmt: skip


def problems(environ: dict[str, str]) -> list[str]:
    return list(examine(environ).problems)


def from_file(tmp_path: Path, content: str, **process: str) -> Environment:
    path = tmp_path / "file.env"
    path.write_bytes(content.encode())
    return examine({"DOORITO_ENV_FILE": str(path), **process})


@pytest.mark.parametrize("text", NASTY)
def test_a_nasty_value_of_the_process_stays_as_it_is(text: str) -> None:
    """Nothing is interpolated, stripped or unescaped."""
    found = load({"DEFAULT_FROM_EMAIL": text, "HOME": "/h", "x": "expanded"})
    assert found["DEFAULT_FROM_EMAIL"] == text
    assert found.merged["DEFAULT_FROM_EMAIL"] == text


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_nasty_value_in_quotes_stays_as_it_is(text: str, quote: str, tmp_path: Path) -> None:
    """In either quotes, with backslash and the quote itself escaped, a file can hold any text."""
    escaped = text.replace("\\", "\\\\").replace(quote, "\\" + quote)
    found = from_file(
        tmp_path, f"DEFAULT_FROM_EMAIL={quote}{escaped}{quote}\nWEB_PORT=9000\n", HOME="/h", x="e"
    )
    assert found.problems == ()
    assert found["DEFAULT_FROM_EMAIL"] == text
    assert found["WEB_PORT"] == 9000


@pytest.mark.parametrize(
    "text",
    [
        "$X",
        "${X}",
        "${X:-y}",
        "%(X)s",
        "%(ENV_X)s",
        "$(X)",
        "a#b",
        "it's",
        'a"b',
        "a\\nb",
        "\\",
        "a b",
        "{{X}}",
    ],
)
def test_nothing_is_interpolated_without_quotes(text: str, tmp_path: Path) -> None:
    """A bare value of the file is taken as it stands, whatever X is in the process or the file."""
    found = from_file(tmp_path, f"X=expanded\nDEFAULT_FROM_EMAIL={text}\n", ENV_X="expanded")
    assert found["DEFAULT_FROM_EMAIL"] == text


def test_the_file_is_read_as_people_write_such_files(tmp_path: Path) -> None:
    """Comments, export, white space around names and values, Windows line ends, a byte-order mark."""
    content = "\ufeff# a comment\r\n\r\nexport WEB_PORT=9000\r\n WEB_WORKERS = 3 # why\r\nWEB_THREADS='5'\r\n"
    found = from_file(tmp_path, content)
    assert found.problems == ()
    assert [found[name] for name in ("WEB_PORT", "WEB_WORKERS", "WEB_THREADS")] == [9000, 3, 5]


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("WEB_PORT\n", [1]),
        ("WEB_PORT=1\n\n  \n# x\nhunter2 hunter2\nWEB_WORKERS=2\n", [5]),
        ("\r\n\r\nhunter2\r\n=x\r\n", [3, 4]),
        ("A='unfinished\nWEB_WORKERS=2\n", [1]),
        ('A="a" b\n', [1]),
        ("A='two\nlines'\nhunter2\n", [3]),
    ],
)
def test_a_line_that_cannot_be_read_is_named_by_its_number(
    content: str, lines: list[int], tmp_path: Path
) -> None:
    """Each such line is a problem of its own, which does not repeat the line: it may hold a secret."""
    found = from_file(tmp_path, content)
    expected = [f"{tmp_path}/file.env, line {line}: is not of the form NAME=value" for line in lines]
    assert list(found.problems) == expected


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    """Missing, a folder, or not UTF-8: one line that names the file."""
    (tmp_path / "latin1.env").write_bytes(b"DEFAULT_FROM_EMAIL=\xe9\n")
    for name, reason in (
        ("none.env", "No such file or directory"),
        ("", "Is a directory"),
        ("latin1.env", "it is not UTF-8 text"),
    ):
        (problem,) = problems({"DOORITO_ENV_FILE": f"{tmp_path}/{name}"})
        assert problem == f'DOORITO_ENV_FILE: the file "{tmp_path}/{name}" cannot be read ({reason})'


def test_a_relative_file_is_below_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the working folder is; without DOORITO_ENV_FILE no file is read, not even .env."""
    (tmp_path / "relative.env").write_text("WEB_PORT=9000\n")
    (tmp_path / ".env").write_text("WEB_PORT=9001\n")
    monkeypatch.chdir(tmp_path)
    (problem,) = problems({"DOORITO_ENV_FILE": "relative.env"})
    assert "No such file" in problem
    assert load({})["WEB_PORT"] == 8000
    assert (
        load({"DOORITO_ENV_FILE": os.path.relpath(tmp_path / "relative.env", BASE_DIR)})["WEB_PORT"] == 9000
    )
