"""A database with the broker's tables and nothing else, from the migration that production runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
from django.conf import settings
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from django.db.utils import ConnectionHandler
from psycopg import sql
from sqlalchemy.engine import URL

from apps.broker import address


@contextlib.contextmanager
def own_database(name: str) -> Iterator[URL]:
    """Its URL; the database is dropped afterwards.

    Its commits wait for no disk: no other session can tell the difference.
    """
    url = address.parse(settings.CELERY_BROKER_URL.removeprefix("sqla+")).set(database=name)
    identifier = sql.Identifier(name)
    with psycopg.connect(conninfo(url.set(database="postgres")), autocommit=True) as maintenance:
        maintenance.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(identifier))
        maintenance.execute(sql.SQL("CREATE DATABASE {}").format(identifier))
        maintenance.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(identifier))
        try:
            _migrate(name)
            yield url
        finally:
            maintenance.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))


def conninfo(url: URL) -> str:
    """The URL as libpq takes it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def _migrate(name: str) -> None:
    loader = MigrationLoader(None)
    [(_, last)] = loader.graph.leaf_nodes("broker")
    connection = ConnectionHandler({"default": {**settings.DATABASES["default"], "NAME": name}})["default"]
    try:
        state = ProjectState()
        with connection.schema_editor() as editor:
            for node in loader.graph.forwards_plan(("broker", last)):
                state = loader.graph.nodes[node].apply(state, editor)
    finally:
        connection.close()
