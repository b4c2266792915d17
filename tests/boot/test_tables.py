"""Tables of Django's database and of the broker's."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection

from boot import tables, waiting
from boot.env import load


@pytest.mark.django_db(transaction=True)
def test_a_database_that_answers_is_no_reason_to_wait() -> None:
    """Nor are migrations that are all applied."""
    assert waiting.database_reason("default", "DATABASE_URL") is None
    assert tables.migrations_reason() is None


@pytest.mark.django_db(transaction=True)
def test_migrating_is_for_one_start_at_a_time() -> None:
    """The second gives up after its time; when the first is done the lock is free again."""
    with psycopg.connect(_url(), autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [tables.MIGRATION_LOCK])
        with (
            pytest.raises(waiting.GiveUp, match=r"another start has been migrating for 0\.2 s"),
            tables.migration_lock(0.2),
        ):
            pytest.fail("it was locked")
    tables.migrate(limit_s=5)
    with psycopg.connect(_url(), autocommit=True) as other:
        row = other.execute("SELECT pg_try_advisory_lock(%s)", [tables.MIGRATION_LOCK]).fetchone()
        assert row == (True,)


@pytest.fixture
def migrations_are_put_back() -> Iterator[None]:
    """The broker's tables are there at the end, whatever happened to them."""
    yield
    tables.make_broker("default", limit_s=5)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("migrations_are_put_back")
def test_a_start_without_the_brokers_tables_is_refused() -> None:
    """With status 78, and the command that makes them; which then makes them."""
    assert tables.broker_lacks("default") is None
    tables.require_broker("default")
    call_command("migrate", "broker", "zero", verbosity=0)
    with pytest.raises(
        waiting.GiveUp, match=r"lacks the broker's tables; run `doorito broker migrate`"
    ) as caught:
        tables.require_broker("default")
    assert caught.value.status == 78
    tables.make_broker("default", limit_s=5)
    tables.require_broker("default")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("migrations_are_put_back")
def test_tables_of_an_older_version_are_named() -> None:
    """By the migrations that they lack."""
    call_command("migrate", "broker", "zero", fake=True, verbosity=0)
    try:
        assert tables.broker_lacks("default") == (
            "has the broker's tables of an older version: broker.0001_initial not applied"
        )
    finally:
        call_command("migrate", "broker", fake=True, verbosity=0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("migrations_are_put_back")
def test_tables_that_were_dropped_are_made_again() -> None:
    """What is noted of them as applied does not keep them away."""
    call_command("migrate", "broker", "zero", verbosity=0)
    call_command("migrate", "broker", fake=True, verbosity=0)
    assert tables.broker_lacks("default") == "lacks the broker's tables"
    tables.make_broker("default", limit_s=5)
    assert tables.broker_lacks("default") is None


def _url() -> str:
    """The test database, for a connection that is not Django's."""
    server, _, query = str(load()["DATABASE_URL"]).partition("?")
    return f"{server.rpartition('/')[0]}/{connection.settings_dict['NAME']}?{query}"
