"""A stored message as a person may read it."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime

import pytest
from pytest_django import Settings

from apps.broker import letter
from apps.broker.envelope import prepare, seal

JSON = letter.JSON_TYPE


def sealed(**headers: object) -> str:
    return seal(prepare(b"", 4, JSON, "utf-8", headers, {"reply_to": "you"}), "ex", "key")


def of(content_type: str) -> letter.Letter:
    return letter.opened(seal(prepare(b"", None, content_type, None, {}, {}), "", "q"))


def test_a_task_is_told_by_name_and_arguments() -> None:
    """As Celery has written them down; the other headers and properties follow as JSON."""
    found = letter.opened(
        sealed(task="shop.pack", id="1-2", argsrepr="(1,)", kwargsrepr="{'a': 2}", retries=3, group=None)
    )
    assert found[:7] == ("shop.pack", "1-2", "(1,)", "{'a': 2}", "ex", "key", JSON)
    assert json.loads(found.headers) == {"retries": 3, "reply_to": "you", "priority": 4}


def test_a_message_that_is_no_task_has_no_name() -> None:
    """Whoever publishes need not use Celery."""
    assert letter.opened(sealed())[:4] == ("", "", "", "")


def test_headers_of_other_types_are_told_too() -> None:
    """Kombu's JSON has dates."""
    assert "2030-01-02" in letter.opened(sealed(when=datetime(2030, 1, 2, tzinfo=UTC))).headers


@pytest.mark.parametrize(
    "envelope",
    [
        "",
        "{",
        "[]",
        "[1,2,3,4,5,6]",
        ' [null,null,{"__type__":"decimal","__value__":"x"},{},"",""]',
        "[" * 100_000,
    ],
)
def test_an_envelope_that_cannot_be_opened_is_shown_as_it_is(envelope: str) -> None:
    """An error page would keep anybody from discarding it."""
    assert letter.opened(envelope) == ("", "", "", "", "", "", "", envelope)


def test_half_characters_can_be_shown() -> None:
    """JSON may hold them, a page cannot."""
    found = letter.opened(sealed(task="\ud83d", note="\ud83d"))
    assert (found.task, json.loads(found.headers)["note"]) == (
        "\\ud83d",
        b"\\ud83d".decode("unicode_escape"),
    )
    assert letter.body_text(b'"\\ud83d"', of(JSON)) == '"\\ud83d"'


def test_a_json_body_is_shown() -> None:
    """Indented, in any language."""
    assert letter.body_text('[["é"]]'.encode(), of(JSON)) == '[\n  [\n    "é"\n  ]\n]'


def test_any_other_body_is_but_measured() -> None:
    """Nothing is unpickled."""
    body = pickle.dumps([pytest.fail])
    kind = "application/x-python-serialize"
    assert letter.body_text(body, of(kind)) == f"{len(body)} bytes of {kind}"


def test_a_large_body_is_but_measured() -> None:
    """A page is to be read."""
    text = letter.body_text(b'"' + b"x" * letter.SHOWN_BYTES + b'"', of(JSON))
    assert text == "20,002 bytes of application/json; up to 20,000 are shown"


@pytest.mark.parametrize("body", [b"\x1f\x8b\x08", b"{", b"\xff", b"[" * 20_000])
def test_a_body_that_cannot_be_read_is_but_measured(body: bytes) -> None:
    """It may be compressed, or made to break what reads it."""
    assert "cannot be read" in letter.body_text(body, of(JSON))


def test_the_history_is_told_in_the_time_of_the_site(settings: Settings) -> None:
    """What is no time is shown as it is."""
    settings.TIME_ZONE = "Europe/Paris"
    history = [
        {"at": "2030-01-02T12:00:00.5+00:00", "consumer": "host:1", "reason": "killed"},
        {"at": "once"},
    ]
    assert letter.deaths(history) == [("2030-01-02 13:00:00 CET", "host:1", "killed"), ("once", "", "")]
    assert letter.last_reason(history[:1]) == "killed"
    assert letter.last_reason(None) == ""
