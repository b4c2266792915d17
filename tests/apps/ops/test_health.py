"""Whether this process can do its work."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from django.conf import LazySettings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from pytest_django import DjangoAssertNumQueries

from apps.ops.health import Readiness, pending_migrations


def move_away(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make Django look for PostgreSQL in a folder where no server listens."""
    connection.close()
    options = connection.settings_dict.get("OPTIONS", {})
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {**options, "host": str(folder)})


@pytest.mark.django_db
def test_a_migrated_database_leaves_no_reason() -> None:
    """Nothing is pending, and requests can be served."""
    assert pending_migrations() == []
    assert Readiness().reasons() == []


@pytest.mark.django_db
def test_unapplied_migrations_are_a_reason_until_they_are_applied() -> None:
    """The first one is named, and applying it is noticed."""
    readiness = Readiness()
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("sessions", "0001_initial")
    assert pending_migrations() == ["sessions.0001_initial"]
    assert readiness.reasons() == ["1 migrations are not applied, the first is sessions.0001_initial"]
    recorder.record_applied("sessions", "0001_initial")
    assert readiness.reasons() == []


@pytest.mark.django_db
def test_once_migrated_a_probe_costs_one_query(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """Migrations do not become unapplied under a running process."""
    readiness = Readiness()
    readiness.reasons()
    with django_assert_num_queries(1):
        assert readiness.reasons() == []


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_is_a_reason_until_it_is_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Said in words that tell nothing of the network; the log has the cause."""
    readiness = Readiness()
    with monkeypatch.context() as away:
        move_away(away, tmp_path)
        assert readiness.reasons() == ["the database does not answer"]
    connection.close()
    assert readiness.reasons() == []
    assert "not ready: the database does not answer: " in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_the_driver_closed_is_a_reason_not_a_crash() -> None:
    """psycopg raises InterfaceError for it, which is no DatabaseError."""
    connection.ensure_connection()
    assert isinstance(connection.connection, psycopg.Connection)
    vars(connection)["health_check_done"] = True  # as in a request whose connection was fine a moment ago
    connection.connection.close()
    try:
        assert Readiness().reasons() == ["the database does not answer"]
    finally:
        connection.close()


def test_a_stack_that_is_about_to_stop_is_not_ready(tmp_path: Path, settings: LazySettings) -> None:
    """Whatever else is well: nobody is to send requests any more."""
    settings.DRAINING_FILE = tmp_path / "draining"
    settings.DRAINING_FILE.touch()
    assert Readiness().reasons() == ["it is about to stop"]
