"""What each kind of value accepts and refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from marshmallow import ValidationError

from boot import values
from boot.capacity import Capacity
from boot.places import BASE_DIR
from boot.values import Kind
from boot.workers import Wanted

DATABASE = values.url("postgresql", "sqlite")
BROKER = values.url("sqla+postgresql", "amqp")
MAIL = values.url("smtp", "console", "file")
WORKERS = values.workers("high", "default")
ACCEPTED: list[tuple[Kind, str, Any]] = [
    (values.TEXT, " as it is ", " as it is "),
    (values.BOOLEAN, "true", True),
    (values.BOOLEAN, "False", False),
    (values.BOOLEAN, "1", True),
    (values.BOOLEAN, "0", False),
    (values.whole(1, 65535), "8000", 8000),
    (values.whole(1, 65535), "1", 1),
    (values.whole(1, 65535), "65535", 65535),
    (values.whole(-5, 5), "-5", -5),
    (values.above_zero(10, "hours"), "0.5", 0.5),
    (values.above_zero(10, "hours"), "10", 10.0),
    (values.one_of("Dev", "Production"), "Dev", "Dev"),
    (values.list_of("high", "default"), " high , default,", ["high", "default"]),
    (values.HOSTS, "Example.ORG, .example.net,*,[::1]", ["example.org", ".example.net", "*", "[::1]"]),
    (values.ORIGIN, "https://example.org", "https://example.org"),
    (values.ORIGIN, "HTTPS://Example.org:443/", "https://example.org"),
    (values.ORIGIN, "http://localhost:80", "http://localhost"),
    (values.ORIGIN, "https://example.org:80", "https://example.org:80"),
    (values.ORIGIN, "http://[::1]:8000", "http://[::1]:8000"),
    (values.TIME_ZONE, "Europe/Paris", "Europe/Paris"),
    (values.BIND, "0.0.0.0", "0.0.0.0"),
    (values.BIND, "::1", "::1"),
    (values.BIND, "unix:/run/site/web.sock", "unix:/run/site/web.sock"),
    (values.BIND, "unix:web.sock", f"unix:{BASE_DIR / 'web.sock'}"),
    (WORKERS, "2", (Wanted((), None), Wanted((), None))),
    (WORKERS, " high:2 ,default+high,", (Wanted(("high",), 2), Wanted(("default", "high"), None))),
    (values.EMAIL, "you@example.org", "you@example.org"),
    (values.DOTTED_NAME, "boot.settings", "boot.settings"),
    (values.PATH, "/var/lib/x", Path("/var/lib/x")),
    (values.PATH, "media/x y", BASE_DIR / "media/x y"),
    (values.PATH, "~/x", Path.home() / "x"),
    (DATABASE, "postgresql://u:p%40ss@host:5432/db?sslmode=require", "postgresql://u:p%40ss@host:5432/db?sslmode=require"),
    (DATABASE, "postgresql://u@/db?host=%2Frun", "postgresql://u@/db?host=%2Frun"),
    (DATABASE, "sqlite:////tmp/a b@c.sqlite3", "sqlite:////tmp/a b@c.sqlite3"),
    (DATABASE, "sqlite://:memory:", "sqlite://:memory:"),
    (BROKER, "sqla+postgresql://u:p@h:1,[::1]:2,g/d", "sqla+postgresql://u:p@h:1,[::1]:2,g/d"),
    (MAIL, "console://", "console://"),
    (MAIL, "smtp://me@example.org:pw@mail:25?timeout=5", "smtp://me@example.org:pw@mail:25?timeout=5"),
]  # fmt: skip
REFUSED: list[tuple[Kind, tuple[str, ...]]] = [
    (values.TEXT, ("a\0b", "\udcff")),  # the latter is how os.environ shows a byte that is not UTF-8
    (values.BOOLEAN, ("yes", "no", "on", "off", "t", "f", "y", "n", "2", "01", " true", "true ", "")),
    (values.whole(1, 10), ("0", "11", "1.0", "1e1", "1_0", " 1", "1\n", "", "\u0663", "0x1", "9" * 5000)),
    (values.above_zero(10, "h"), ("0", "0.0", "-1", "10.1", "inf", "nan", "1e1", ".5", "", "9" * 5000)),
    (values.one_of("Dev", "Production"), ("dev", "Prod", "Dev ", "")),
    (values.list_of("high", "default"), ("low", "high default", ",", " ", "")),
    (values.HOSTS, ("https://a.org", "a.org:80", "a b", "::1", "b\u00fccher.de", "a_b", "-", ",", "a.org/")),
    (values.ORIGIN, ("example.org", "ftp://a.org", "https://", "https://a.org/x", "https://a?", "https://*")),
    (values.ORIGIN, ("https://u:p@a.org", "https://a.org#", "https://a b", "https://a:99999")),
    (values.ORIGIN, ("https://a\n.org", " https://a.org", "https://b\u00fccher.de")),
    (values.TIME_ZONE, ("Mars/Olympus", "../../etc/passwd", "Europe", "a\0b", "x" * 5000)),
    (values.BIND, ("localhost", "1.2.3", "1.2.3.4:80", "[::1]", "*", "/run/web.sock")),
    (values.BIND, ("unix:", "unix:/run/", "unix:/" + "x" * 107)),
    (WORKERS, ("0", "33", "", ",", "low", "high:0", "high:x", "high:129", "high+high", "high+", "high:1:2")),
    (values.whole_or_auto(1, 10, "x", Capacity.concurrency), ("automatic", "0", "11", "-1", " auto")),
    (values.EMAIL, ("you", "@a", "a@", "a b@c", "a@b@c", "a@b\n")),
    (values.DOTTED_NAME, ("boot/settings", "boot.", ".boot", "1a", "a b", "boot\n")),
    (values.PATH, ("~nobody-of-this-name/x", "a\0b")),
    (DATABASE, ("host/db", "mysql://h/d", "POSTGRESQL://h/d", "postgresql:/h/d", "://")),
    (DATABASE, ("postgresql://h:port/d", "postgresql://[::1/d", "postgresql://h/d\n", "postgresql://h/\0")),
    (DATABASE, ("postgresql://h:1,g:2/d",)),  # Django's reader of URLs knows no more than one
    (BROKER, ("sqla+postgresql://h:1,g:port/d", "amqp://h:1,g:2//")),
    (MAIL, ("smtp://mail?timeout=soon", "sqlite://:memory:")),
]
# A password with a special character that is not percent-encoded, read by urlsplit as something else.
MISREAD = ["u:12#34@h/db", "u:12/34@h/db", "u:12?34@h/db", "u:pa#ss@h/db", "u@corp:1/2@h/db", "u:p@h/db#x"]


@pytest.mark.parametrize(("kind", "text", "value"), ACCEPTED)
def test_an_accepted_text_yields_its_value(kind: Kind, text: str, value: Any) -> None:
    """Each kind turns what it accepts into the value that settings use, of exactly that type."""
    assert kind.parse(text) == value
    assert type(kind.parse(text)) is type(value)


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in REFUSED for text in texts])
def test_anything_else_is_refused_without_quoting_it(kind: Kind, text: str) -> None:
    """A refusal is a ValidationError, whatever the text, and repeats no part of it."""
    with pytest.raises(ValidationError) as caught:
        kind.parse(text)
    assert len(text) < 4 or text not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("rest", MISREAD)
def test_a_url_with_a_bare_special_character_in_its_password_is_refused(rest: str) -> None:
    """A password that would be taken for a host, path, query or fragment is refused, not shown."""
    with pytest.raises(ValidationError, match="percent-encode"):
        DATABASE.parse(f"postgresql://{rest}")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", '"plain"'),
        ("", '""'),
        ('a "b"', r'"a \"b\""'),
        ("a\\nb", r'"a\\nb"'),
        ("a\nb\t\x1b[31m", r'"a\nb\t\x1b[31m"'),
        ("\x9b31m\u202e\udcff", r'"\x9b31m\u202e\udcff"'),
        ("é", '"é"'),
        ("x" * 201, '"' + "x" * 200 + '..."'),
    ],
)
def test_a_quoted_text_is_one_harmless_line(text: str, shown: str) -> None:
    """Line ends, terminal controls and broken bytes are escaped, and long texts cut."""
    assert values.quoted(text) == shown


def test_a_harmless_text_is_shown_as_it_is() -> None:
    """Only what could mislead on a line is quoted."""
    assert [values.on_one_line(text) for text in ("a b", " a", "", "a\n")] == ["a b", '" a"', '""', r'"a\n"']


def test_a_kind_names_what_it_accepts_and_in_which_unit() -> None:
    """Messages and pages can say what to write instead."""
    assert values.whole(1, 9, "seconds").accepted == "a whole number from 1 to 9 (seconds)"
    assert values.one_of("a", "b").accepted == "a or b"
    assert DATABASE.accepted == "a URL that begins with postgresql:// or sqlite://"
    assert values.above_zero(9, "hours").unit == "hours"
