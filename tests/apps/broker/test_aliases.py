"""Which of Django's databases a broker's URL names."""

from __future__ import annotations

from typing import Any

import dj_database_url
import pytest
from django.db import connection, connections
from kombu import Connection

from apps.broker import address, aliases
from boot.celery import app

SAME = [
    ("postgresql://u:p@db.example/name", "postgresql://u:p@db.example/name"),
    (
        "postgresql://u:p@db.example/name",
        "postgresql+psycopg://other:secret@DB.example:5432/name?sslmode=require",
    ),
    ("postgresql://u@db.example:6543/my%20name", "postgresql://u@db.example:6543/my%20name"),
    ("postgresql:///name", "postgresql:///name"),
    ("postgresql:///name", "postgresql://localhost/name"),
    ("postgresql://localhost/name", "postgresql://127.0.0.1:5432/name"),
    ("postgresql://localhost/name", "postgresql://[::1]/name"),
    ("postgresql://localhost/name", "postgresql:///name?host=/var/run/postgresql"),
    ("postgresql:///name?host=/srv/socket", "postgresql://u@:5432/name?host=%2Fsrv%2Fsocket%2F"),
    ("postgresql://u@%2Fsrv%2FSocket/name", "postgresql://u@%2Fsrv%2FSocket/name"),
    ("postgresql:///name?host=/srv/socket&port=6543", "postgresql:///name?port=6543&host=/srv/socket"),
    ("postgresql://u@one,two/name", "postgresql://u@one:5432,two:5432/name"),
    ("postgresql://u@one,two/name", "postgresql:///name?host=one&host=two"),
]
DIFFERENT = [
    ("postgresql://db.example/name", "postgresql://db.example/other"),
    ("postgresql://db.example/name", "postgresql://db2.example/name"),
    ("postgresql://db.example/name", "postgresql://db.example:6543/name"),
    ("postgresql:///name?host=/srv/socket", "postgresql:///name?host=/srv/Socket"),
    ("postgresql://u@one,two/name", "postgresql://u@one/name"),
]


def _is_named(database: str, broker: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    place = aliases.place_in({"OPTIONS": {}, **dj_database_url.parse(database)})
    monkeypatch.setattr(aliases, "_places", {place: "default"})
    return aliases.alias_of(address.parse(broker)) == "default"


@pytest.mark.parametrize(("database", "broker"), SAME)
def test_a_database_is_known_by_each_of_its_names(
    database: str, broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever logs in, and with whatever options."""
    assert _is_named(database, broker, monkeypatch)


@pytest.mark.parametrize(("database", "broker"), DIFFERENT)
def test_another_database_is_not_taken_for_it(
    database: str, broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not _is_named(database, broker, monkeypatch)


@pytest.mark.django_db
def test_the_broker_follows_a_database_that_a_test_runner_renames(monkeypatch: pytest.MonkeyPatch) -> None:
    """So does a connection that is open already."""
    with Connection(app.conf.broker_url) as broker:
        assert _database(broker) == connection.settings_dict["NAME"]
        monkeypatch.setitem(connections.settings["default"], "NAME", "postgres")
        assert not broker.connected
        assert _database(broker) == "postgres"


def _database(broker: Connection) -> str:
    channel: Any = broker.default_channel
    return str(channel.connection.session.run("SELECT current_database()::text")[0][0])


@pytest.mark.django_db(transaction=True, available_apps=["apps.broker"])
def test_a_test_database_is_left_before_it_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL refuses to drop one that somebody is connected to."""
    monkeypatch.setattr(connection.creation, "_destroy_test_db", lambda *_: None)
    with Connection(app.conf.broker_url) as broker:
        channel: Any = broker.default_channel
        pid = channel.connection.session.wire.backend_pid
        connection.creation.destroy_test_db(verbosity=0)
        assert not broker.connected
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", [pid])
        assert cursor.fetchone() == (0,)
