"""Statements on one connection."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from django.conf import settings

from apps.broker import address
from apps.broker.wire import Row, Wire
from tests.apps.broker.own_database import conninfo

PATIENCE_S = 30.0


@pytest.fixture
def connection() -> Iterator[psycopg.Connection]:
    url = address.parse(settings.CELERY_BROKER_URL.removeprefix("sqla+")).set(database="postgres")
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        yield connection


@pytest.fixture
def wire(connection: psycopg.Connection) -> Wire:
    return Wire(connection, {})


def wait_for_answer(wire: Wire) -> list[Row]:
    while (rows := wire.answer()) is None:
        assert wire.wait(PATIENCE_S)
        wire.read()
    return rows


def test_rows_come_in_python_s_types(wire: Wire) -> None:
    """Of what the statements use."""
    rows = wire.run("SELECT $1::int, $2::text, $3::bytea, $4::bigint[], $5::text[], $6::bool, $7::float8",
                    7, "x", b"\0\xff", [1, None], ["a", ""], True, None)  # fmt: skip
    assert rows == [(7, "x", b"\0\xff", [1, None], ["a", ""], True, None)]


def test_a_list_of_bytes_arrives_whole(wire: Wire) -> None:
    """Any bytes, and none."""
    bodies = [b"\\x41", b"{,}", b"", bytes(range(256))]
    assert wire.run("SELECT body FROM unnest($1::bytea[]) AS body", bodies) == [(body,) for body in bodies]


def test_without_rows_the_answer_is_how_many_changed(wire: Wire) -> None:
    """0 for what changes nothing."""
    assert wire.run("CREATE TEMPORARY TABLE numbers (n int)") == [(0,)]
    assert wire.run("INSERT INTO numbers SELECT generate_series(1, $1::int)", 5) == [(5,)]
    assert wire.run("DELETE FROM numbers WHERE n > $1::int", 9) == [(0,)]
    assert wire.run("SELECT n FROM numbers WHERE n > $1::int", 9) == []


def test_an_answer_is_none_until_it_is_there(connection: psycopg.Connection, wire: Wire) -> None:
    """The caller may do something else meanwhile."""
    with psycopg.connect(connection.info.dsn, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(1234)")
        wire.send("SELECT 1 FROM pg_advisory_lock(1234)")
        assert wire.is_waiting
        assert wire.answer() is None
        assert not wire.wait(0)
        other.execute("SELECT pg_advisory_unlock(1234)")
        assert wait_for_answer(wire) == [(1,)]
    assert not wire.is_waiting


def test_a_body_larger_than_any_buffer_goes_both_ways(wire: Wire) -> None:
    """The server may send before it has read everything."""
    body = bytes(range(256)) * 40_000
    assert wire.run("SELECT $1::bytea, $1::bytea", body) == [(body, body)]


def test_a_statement_is_prepared_once_a_connection(connection: psycopg.Connection, wire: Wire) -> None:
    """A later wire on it goes on with what it knows."""
    names: dict[str, bytes] = {}
    for _ in range(2):
        for statement in ("SELECT 1", "SELECT 2"):
            assert Wire(connection, names).run(statement)
    assert connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (2,)


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("SELECT 1 / $1::int", psycopg.errors.DivisionByZero),
        ("SELECT $1::int FROM nowhere", psycopg.errors.UndefinedTable),
        ("SELEC", psycopg.errors.SyntaxError),
    ],
)
def test_an_error_leaves_the_wire_usable(wire: Wire, statement: str, error: type[psycopg.Error]) -> None:
    """In a statement, or in its preparation."""
    with pytest.raises(error):
        wire.run(statement, *([0] if "$1" in statement else []))
    assert wire.is_open
    assert not wire.is_waiting
    assert wire.run("SELECT $1::int", 3) == [(3,)]


def test_a_connection_that_was_ended_is_not_open(connection: psycopg.Connection, wire: Wire) -> None:
    """Whoever runs the next statement hears of it."""
    with psycopg.connect(connection.info.dsn, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [wire.backend_pid])
    with pytest.raises(psycopg.OperationalError):
        wire.run("SELECT 1")
    assert not wire.is_open


def test_notifications_come_with_their_payload(connection: psycopg.Connection, wire: Wire) -> None:
    """In order, and each once."""
    wire.run("LISTEN news")
    with psycopg.connect(connection.info.dsn, autocommit=True) as other:
        other.execute("SELECT pg_notify('news', 'one'), pg_notify('news', 'two'), pg_notify('else', '')")
    assert wire.wait(PATIENCE_S)
    wire.read()
    assert wire.notified() == [("news", "one"), ("news", "two")]
    assert wire.notified() == []


def test_a_notification_during_a_statement_is_kept(wire: Wire) -> None:
    """One of one's own, too."""
    wire.run("LISTEN news")
    assert wire.run("SELECT 1 FROM pg_notify('news', 'x')") == [(1,)]
    assert wire.notified() == [("news", "x")]
