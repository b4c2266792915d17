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
from boot.waiting import GiveUp
from tests.system.stack import wait_until


def test_a_folder_for_uploads_is_made_and_tried(tmp_path: Path) -> None:
    """For its owner alone, and nothing stays in it."""
    prepare.check_uploads(tmp_path / "state/media")
    assert stat.S_IMODE((tmp_path / "state/media").stat().st_mode) == 0o700
    assert list((tmp_path / "state/media").iterdir()) == []


def test_a_folder_for_uploads_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """With the variable; a mistake of configuration."""
    (tmp_path / "file").touch()
    with pytest.raises(GiveUp, match=r"MEDIA_ROOT: .*file/media cannot be written") as caught:
        prepare.check_uploads(tmp_path / "file/media")
    assert caught.value.status == 78


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
    with pytest.raises(GiveUp, match="DJANGO_SUPERUSER_EMAIL: ") as caught:
        prepare.create_superuser("somebody@-wrong-", "a password")
    assert caught.value.status == 78


def _url() -> str:
    """The test database, for a connection that is not Django's."""
    server, _, query = str(load()["DATABASE_URL"]).partition("?")
    return f"{server.rpartition('/')[0]}/{connection.settings_dict['NAME']}?{query}"
