"""What a start does before any program runs."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import psycopg
import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction

from boot import prepare
from boot.env import load
from tests.system.stack import wait_until

Captured = pytest.CaptureFixture[str]


def test_waiting_ends_when_nothing_is_missing(capsys: Captured) -> None:
    """What is missing is said once, not at each try."""
    answers = iter(["no route", "no route", None])
    prepare.wait("the database", 10, lambda: next(answers))
    assert capsys.readouterr().out == "waiting for the database (0 of 10 s): no route\n"


def test_waiting_is_given_up_in_time() -> None:
    """Exit status 69, with what was waited for, how long, and the last reason."""
    with pytest.raises(prepare.GiveUp, match="waiting for the database after 0 s: no route") as caught:
        prepare.wait("the database", 0, lambda: "no route")
    assert caught.value.status == 69


def test_a_folder_for_uploads_is_made_and_tried(tmp_path: Path) -> None:
    """For its owner alone, and nothing stays in it."""
    prepare.check_uploads(tmp_path / "state/media")
    assert stat.S_IMODE((tmp_path / "state/media").stat().st_mode) == 0o700
    assert list((tmp_path / "state/media").iterdir()) == []


def test_a_folder_for_uploads_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """With the variable; a mistake of configuration."""
    (tmp_path / "file").touch()
    with pytest.raises(prepare.GiveUp, match=r"MEDIA_ROOT: .*file/media cannot be written") as caught:
        prepare.check_uploads(tmp_path / "file/media")
    assert caught.value.status == 78


@pytest.mark.django_db(transaction=True)
def test_a_database_that_answers_is_no_reason_to_wait() -> None:
    """Nor are migrations that are all applied."""
    assert prepare.database_reason() is None
    assert prepare.migrations_reason() is None


@pytest.mark.django_db(transaction=True)
def test_migrating_is_for_one_start_at_a_time() -> None:
    """The second gives up after its time; when the first is done the lock is free again."""
    with psycopg.connect(_url(), autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [prepare.MIGRATION_LOCK])
        with (
            pytest.raises(prepare.GiveUp, match=r"another start has been migrating for 0\.2 s"),
            prepare.migration_lock(0.2),
        ):
            pytest.fail("it was locked")
    prepare.migrate(limit_s=5)
    with psycopg.connect(_url(), autocommit=True) as other:
        row = other.execute("SELECT pg_try_advisory_lock(%s)", [prepare.MIGRATION_LOCK]).fetchone()
        assert row == (True,)


@pytest.mark.django_db
def test_the_first_administrator_is_created_once() -> None:
    """A second start changes neither account nor password, however the address is written."""
    prepare.create_superuser("Admin@example.com", "the first password")
    prepare.create_superuser("admin@EXAMPLE.com", "another password")
    (account,) = get_user_model()._default_manager.all()
    assert account.check_password("the first password")
    assert account.is_superuser


@pytest.mark.django_db(transaction=True)
def test_roles_that_start_together_create_one_administrator() -> None:
    """Whoever comes second, while the first has not committed, finds it done."""
    failures: list[BaseException] = []

    def second() -> None:
        try:
            prepare.create_superuser("admin@example.com", "another password")
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=second)
    with transaction.atomic():
        prepare.create_superuser("admin@example.com", "the first password")
        thread.start()
        wait_until("it to wait for us", _is_somebody_waiting)
    thread.join()
    assert failures == []
    (account,) = get_user_model()._default_manager.all()
    assert account.check_password("the first password")


def _is_somebody_waiting() -> bool:
    with psycopg.connect(_url(), autocommit=True) as other:
        row = other.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
    return bool(row and row[0])


@pytest.mark.django_db
def test_an_address_that_django_refuses_is_named() -> None:
    """A mistake of configuration: exit status 78."""
    with pytest.raises(prepare.GiveUp, match="DJANGO_SUPERUSER_EMAIL: ") as caught:
        prepare.create_superuser("somebody@-wrong-", "a password")
    assert caught.value.status == 78


def _url() -> str:
    """The test database, for a connection that is not Django's."""
    server, _, query = str(load()["DATABASE_URL"]).partition("?")
    return f"{server.rpartition('/')[0]}/{connection.settings_dict['NAME']}?{query}"
