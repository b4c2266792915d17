"""The broker's URL."""

from __future__ import annotations

from typing import Any

import pytest
from kombu import Connection
from sqlalchemy import URL, Engine, create_engine

import boot.celery  # noqa: F401 - it registers the transport for sqla+postgresql
from apps.broker import address
from apps.broker.scheme import is_ours as names_ours


@pytest.mark.parametrize(
    ("scheme", "is_ours"),
    [
        ("postgresql", True),
        ("postgresql+psycopg", True),
        ("postgresql+psycopg2", False),
        ("postgres", False),
        ("sqlite", False),
        ("mysql", False),
    ],
)
def test_postgresql_with_psycopg_is_ours(scheme: str, is_ours: bool) -> None:
    """Kombu's own transport has the rest."""
    assert names_ours(f"{scheme}://h/db") is is_ours


@pytest.mark.parametrize(
    ("given", "hosts", "query"),
    [
        ("postgresql://u:p@h:5433/db", "h:5433", {}),
        ("postgresql+psycopg://u:p@h/db?sslmode=require", "h", {"sslmode": "require"}),
        ("postgresql://u:p@a:1,b:2/db", None, {"host": ("a:1", "b:2")}),
        (
            "postgresql://u:p@a,b/db?target_session_attrs=read-write",
            None,
            {"host": ("a", "b"), "target_session_attrs": "read-write"},
        ),
        ("postgresql://u:p@/db?host=/run/postgresql", None, {"host": "/run/postgresql"}),
        ("postgresql://u:p@[::1]:5432/db", "::1:5432", {}),
    ],
)
def test_a_url_is_read_as_sqlalchemy_or_libpq_write_it(
    given: str, hosts: str | None, query: dict[str, object]
) -> None:
    """One host or several, with options."""
    url = address.parse(given)
    assert url.drivername == "postgresql+psycopg"
    assert (url.username, url.password, url.database) == ("u", "p", "db")
    assert (f"{url.host}:{url.port}".removesuffix(":None") if url.host else None) == hosts
    assert dict(url.query) == query


def test_special_characters_are_encoded() -> None:
    """As in every URL."""
    url = address.parse("postgresql://u%40x:p%2Fp%40p@h/db")
    assert (url.username, url.password) == ("u@x", "p/p@p")


@pytest.mark.parametrize("given", ["secret", "postgresql://u:secret@h:port/db"])
def test_what_cannot_be_read_is_not_repeated(given: str) -> None:
    """It may hold a password; the message says what is accepted."""
    with pytest.raises(ValueError, match=r"accepted is sqla\+postgresql://") as caught:
        address.parse(given)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("sqla+postgresql://u:secret@h:5432/db", "sqla+postgresql://u:**@h:5432/db"),
        ("sqla+postgresql://u:se/cret?@h/db?a=b", "sqla+postgresql://u:**@h/db?a=b"),
        ("sqla+postgresql://u:secret@a:1,b:2/db", "sqla+postgresql://u:**@a:1,b:2/db"),
        ("sqla+postgresql://h/db?password=secret&a=b", "sqla+postgresql://h/db?password=**&a=b"),
        ("sqla+postgresql://h/db?sslpassword=secret&a=b", "sqla+postgresql://h/db?sslpassword=**&a=b"),
        ("sqla+postgresql://h/db?a=b&password=secret", "sqla+postgresql://h/db?a=b&password=**"),
        ("sqla+postgresql://u@h:5432/db", "sqla+postgresql://u@h:5432/db"),
        ("sqla+postgresql://h:5432/db", "sqla+postgresql://h:5432/db"),
    ],
)
def test_a_password_is_hidden(given: str, shown: str) -> None:
    """Wherever a URL that can be read may have one; the rest is as it was given."""
    assert address.masked(given, "**") == shown


def test_kombu_s_next_url_of_several_comes_in_parts() -> None:
    """Failover takes URLs apart; the first one it leaves whole."""
    client = Connection("sqla+postgresql://u:p@h:5433/db?sslmode=require")
    assert address.of(client).query == {"sslmode": "require"}
    parts = Connection(
        hostname="h", userid="u", password="p", virtual_host="/db", port=5433, transport="memory"
    )
    assert address.of(parts) == address.parse("postgresql://u:p@h:5433/db")


def test_a_process_has_one_engine_for_a_url() -> None:
    """And one more for each time-out of connecting."""
    url = address.parse("postgresql://u:p@h/engine")
    assert address.engine(url) is address.engine(url)
    assert address.engine(url, 5) is not address.engine(url)


def test_keepalives_are_short_unless_the_url_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is away is noticed within half a minute."""
    seen: dict[str, object] = {}

    def create(url: URL, connect_args: dict[str, object], **options: Any) -> Engine:
        seen.update(connect_args)
        return create_engine(url, connect_args=connect_args, **options)

    monkeypatch.setattr(address, "create_engine", create)
    monkeypatch.setattr(address, "_engines", {})
    address.engine(address.parse("postgresql://h/db?keepalives_idle=60"), 1)
    assert "keepalives_idle" not in seen  # it is in the URL
    assert (seen["keepalives_interval"], seen["keepalives_count"], seen["connect_timeout"]) == ("5", "3", 2)


def test_an_option_that_libpq_does_not_know_is_refused() -> None:
    """A slip in sslmode would otherwise be met by each connection, with a traceback."""
    assert address.parse("postgresql://h/db?sslmode=require&application_name=x").query["sslmode"] == "require"
    with pytest.raises(ValueError, match=r"does not know: slmode; did you mean sslmode\?"):
        address.parse("postgresql://u:secret@h/db?slmode=require")
    with pytest.raises(ValueError, match=r"does not know: bogus$"):
        address.parse("postgresql://h/db?bogus=1")
