"""What is asked of the database, and what may be said of the answer."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from boot.doctor import server
from boot.doctor.server import NotAsked, Server
from tests.boot.doctor.deployments import PASSWORD, deployment


def test_what_the_server_said_survives_json() -> None:
    """The process that asks writes what this one reads."""
    said = Server("postgresql", version=160004, pending=("uploads.0001_initial",))
    assert Server.from_json(json.dumps(asdict(said))) == said


def test_no_message_of_a_driver_shows_a_password() -> None:
    """As it is, percent-encoded, or in the query; an option that is no secret stays."""
    url = "postgresql://doorito:p%40ss@db:5432/doorito?sslpassword=key&sslmode=require"
    hidden = server.secrets(deployment(DATABASE_URL=url).env)
    text = server.redacted(f"no {url}: p@ss p%40ss key sslmode=require", hidden)
    assert text == "no ***: *** *** *** sslmode=require"


def test_the_brokers_own_password_is_hidden_as_well() -> None:
    """Where it has a URL of its own; the default's is no secret, and a common word."""
    hidden = server.secrets(deployment(CELERY_BROKER_URL="sqla+postgresql://queue:t%40o@a:1,b:2/parcels").env)
    assert server.redacted("t@o t%40o parcels", hidden) == "*** *** parcels"
    assert "doorito" not in server.secrets(deployment(DATABASE_URL="sqlite:///db.sqlite3").env)


def test_a_database_url_that_cannot_be_read_is_not_asked() -> None:
    """The variable is an error already."""
    with pytest.raises(NotAsked, match="DATABASE_URL could not be read"):
        server.ask(deployment(DATABASE_URL=f"mysql://doorito:{PASSWORD}@localhost/doorito"))


def test_an_embedded_server_that_sleeps_is_not_asked(tmp_path: Path) -> None:
    """It runs with the stack; looking does not start it, and makes nothing."""
    sleeping = deployment(
        DATABASE_URL="",
        DOORITO_EMBEDDED_POSTGRES="true",
        DOORITO_STATE_DIR=str(tmp_path / "state"),
        DOORITO_RUNTIME_DIR=str(tmp_path / "run"),
    )
    with pytest.raises(NotAsked, match="the stack, which is stopped") as caught:
        server.ask(sleeping)
    assert caught.value.mend == "`make run`"
    assert list(tmp_path.iterdir()) == []


def test_settings_that_cannot_be_imported_are_said_to_be_so() -> None:
    """With the command that shows the traceback, which might show more than it should."""
    with pytest.raises(NotAsked, match="Django cannot be started") as caught:
        server.ask(deployment(DJANGO_SETTINGS_MODULE="boot.celery", CELERY_BROKER_URL="memory://"))
    assert "manage check" in caught.value.mend
