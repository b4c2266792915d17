"""Nasty values reach Django and Celery unchanged, from the environment and from a file, in one start."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import pytest

from tests.system.databases import database
from tests.system.stack import Stack

pytestmark = pytest.mark.system

NASTY: Final = (
    "100%", "%", "%%", "%s", "%(ENV_HOME)s", "%(here)s", "50%%off", "%20%2F%25",
    "a#b", "# no comment", "a #b", "a;b", "; no comment",
    'double "quotes"', "single 'quotes'", "\"mixed' quotes", "'all quoted'", '"all quoted"', "`id`",
    " space before", "space behind ", "  ", "\ttab\t",
    "$", "$$", "$HOME", "${HOME}", "${UNSET:-default}", "$(id)", "a$b",
    "\\", "C:\\new\\table", "ends in a backslash\\", "\\\\", "\\n is no line end", "\\'",
    "two\nlines", "line end behind\n", "\nline end before", "carriage\r\nreturn", "[section]\nkey=value",
    "grüße, 日本語, 🚪", "e\u0301", "right\u202eto left", "bell\x07 escape\x1b[31m",
    "=", "a=b=c", "export A=1", "{braces}", "{{ braces }}", '{"json": [1, "two"]}', "*", "~", "!", "&&",
    "a,b", "true", "x" * 20_000, "",
)  # fmt: skip
NOT_UTF8: Final = "\udcff"  # how Python writes the byte 0xff of an environment
PASSWORD: Final = "p%40ss #1'\"/\\${HOME}:?&=@%(ENV_X)s ü"
OTHER_PASSWORD: Final = "%%another;`one`"
SECRET_KEY: Final = "k%(ENV_HOME)s#'\"$HOME${HOME}\\n\\ ü;`id`" * 3
SENDER: Final = '"Dörte %s #1; $HOME" <o\'door@example.org>'


@pytest.fixture(scope="module")
def arrived(migrated: str) -> Iterator[dict[str, Any]]:
    """What each program of one stack has read, by program."""
    with tempfile.TemporaryDirectory() as folder, database(template=migrated) as url:
        parts = urlsplit(url)
        place = f"@:5432{parts.path}?{parts.query}"
        file = Path(folder, "environment")
        in_file = {
            "DJANGO_SECRET_KEY": SECRET_KEY,
            "CELERY_BROKER_URL": f"sqla+postgresql://doorito:{quote(OTHER_PASSWORD, safe='')}{place}",
            "EMAIL_URL": f"submission://us%2Ber%40x:{quote(PASSWORD, safe='')}@mail.example.org",
            **{f"NASTY_FILE_{number:02}": text for number, text in enumerate(NASTY)},
        }
        file.write_text("".join(f"{name}={_quoted(text)}\n" for name, text in in_file.items()), newline="")
        environ = {
            "DJANGO_SETTINGS_MODULE": "tests.system.probe_settings",
            "DOORITO_ENV_FILE": str(file),
            "PROBE_FOLDER": folder,
            "DATABASE_URL": f"postgresql://doorito:{quote(PASSWORD, safe='')}{place}",
            "DEFAULT_FROM_EMAIL": SENDER,
            **{f"NASTY_{number:02}": text for number, text in enumerate(NASTY)},
            "NASTY_BYTE": NOT_UTF8,
        }
        with Stack(environ=environ) as stack:
            stack.start()
            for secret in (PASSWORD, OTHER_PASSWORD, SECRET_KEY):
                assert secret not in stack.log
                assert quote(secret, safe="") not in stack.log
            yield {path.stem: json.loads(path.read_text()) for path in Path(folder).glob("*.json")} | {
                "broker": in_file["CELERY_BROKER_URL"]
            }


PROGRAMS = pytest.mark.parametrize("program", ["prepare", "web", "celery-worker", "celery-beat"])


@PROGRAMS
def test_foreign_variables_arrive_unchanged(program: str, arrived: dict[str, Any]) -> None:
    """Each nasty value, from the environment and from the file, in each program."""
    texts = arrived[program]
    for number, text in enumerate(NASTY):
        assert texts[f"NASTY_{number:02}"] == text
        assert texts[f"NASTY_FILE_{number:02}"] == text
    assert texts["NASTY_BYTE"] == NOT_UTF8


@PROGRAMS
def test_settings_arrive_unchanged(program: str, arrived: dict[str, Any]) -> None:
    """Secrets, free text, and the percent-encoded passwords of URLs."""
    texts = arrived[program]
    assert texts["SECRET_KEY"] == SECRET_KEY
    assert texts["DEFAULT_FROM_EMAIL"] == SENDER
    assert (texts["DATABASE_USER"], texts["DATABASE_PASSWORD"]) == ("doorito", PASSWORD)
    assert (texts["EMAIL_HOST_USER"], texts["EMAIL_HOST_PASSWORD"]) == ("us+er@x", PASSWORD)
    assert texts["CELERY_BROKER_URL"] == arrived["broker"]


def _quoted(text: str) -> str:
    """The text as a value of a file: in single quotes, where only the backslash and the quote are special."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
