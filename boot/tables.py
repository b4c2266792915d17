"""Tables: those of Django's database, and those of the broker, which may have one of its own.

    python -m boot.tables [--check]

makes the broker's or brings them up to date. Exit status 0, 69 (its database stays away), 70 (they cannot be
made) or 78; with --check nothing is changed, and 1 means that they are missing or older than the code.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Final

from boot.waiting import EX_CONFIG, GiveUp, wait_for_databases

EX_SOFTWARE: Final = 70
LACKING: Final = 1  # with --check
MIGRATION_LOCK: Final = 0x646F6F72  # "door"; any number will do that nothing else here locks
COMMAND: Final = "doorito broker migrate"
VARIABLES: Final = {"default": "DATABASE_URL", "broker": "CELERY_BROKER_URL"}  # by Django's name


def migrations_reason() -> str | None:
    """Which migrations of Django's database are missing; None when all are applied."""
    from django.db import DatabaseError

    from apps.ops.health import pending_migrations

    try:
        pending = pending_migrations()
    except DatabaseError as error:
        return " ".join(str(error).split())
    if not pending:
        return None
    return f"{len(pending)} are not applied, the first is {pending[0]} (RUN_MIGRATIONS=true applies them)"


def migrate(limit_s: float) -> None:
    """Apply what is not applied to Django's database. Raises GiveUp."""
    from django.core.management import call_command

    with migration_lock(limit_s):
        if migrations_reason():
            call_command("migrate", interactive=False)


@contextlib.contextmanager
def migration_lock(limit_s: float, alias: str = "default") -> Iterator[None]:
    """Held by one start at a time, on PostgreSQL; the others wait. Raises GiveUp."""
    from django.db import OperationalError, connections

    connection = connections[alias]
    if connection.vendor != "postgresql":
        yield  # SQLite has one writer at a time anyway
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{limit_s * 1000:.0f}ms"])
        try:
            cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        except OperationalError as error:
            raise GiveUp(f"another start has been migrating for {limit_s:g} s") from error
        cursor.execute("SET lock_timeout = 0")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


def broker_lacks(alias: str) -> str | None:
    """What the broker's database has not got of what this version's code needs; None when it has all."""
    missing = _missing_tables(alias)
    if missing == _tables():
        return "lacks the broker's tables"
    if pending := _pending(alias):
        return f"has the broker's tables of an older version: {', '.join(pending)} not applied"
    return f"has lost some of the broker's tables: {', '.join(sorted(missing))}" if missing else None


def require_broker(alias: str) -> None:
    """Raises GiveUp where the broker cannot work with the tables that there are."""
    if lacking := broker_lacks(alias):
        message = f"{VARIABLES[alias]}: the database {lacking}; run `{COMMAND}`"
        raise GiveUp(message, EX_CONFIG)


def refuse_pooler(alias: str, consumes: bool) -> None:
    """Raises GiveUp where somebody is to consume through a pooler that cannot carry it; else warns of it.

    The database is connected.
    """
    import psycopg
    from django.db import connections

    from apps.broker import pooler

    connection = connections[alias].connection
    try:
        is_shared = pooler.is_between(connection) and pooler.is_shared(connection)
    except psycopg.Error as error:
        raise GiveUp(f"{VARIABLES[alias]}: {' '.join(str(error).split())}") from error
    if is_shared and consumes:
        raise GiveUp(f"{VARIABLES[alias]}: {pooler.REASON}", EX_CONFIG)
    if is_shared:
        print(f"{VARIABLES[alias]}: tasks can be sent, but no worker can take them there: {pooler.REASON}")


def make_broker(alias: str, limit_s: float) -> None:
    """Make the broker's tables, or bring them up to date. Raises GiveUp."""
    from django.core.management import call_command

    with migration_lock(limit_s, alias):
        if _missing_tables(alias) == _tables():
            # They may have been there, and been dropped: what is noted of them does not count.
            call_command("migrate", "broker", "zero", database=alias, fake=True, verbosity=0)
        call_command("migrate", "broker", database=alias, interactive=False)


def _tables() -> set[str]:
    from django.apps import apps

    return {model._meta.db_table for model in apps.get_app_config("broker").get_models()}


def _missing_tables(alias: str) -> set[str]:
    from django.db import connections

    return _tables() - set(connections[alias].introspection.table_names())


def _pending(alias: str) -> list[str]:
    from django.db import connections
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connections[alias])
    wanted = [node for node in executor.loader.graph.leaf_nodes() if node[0] == "broker"]
    return [f"broker.{migration.name}" for migration, _ in executor.migration_plan(wanted)]


def main(check_only: bool) -> int:
    """Make the broker's tables, or tell whether they are there; the exit status, and has said why."""
    from boot.env import load_or_exit

    env = load_or_exit()
    import django
    from django.conf import settings
    from django.db import Error

    django.setup()
    if not (alias := settings.BROKER_DATABASE):
        scheme = str(env["CELERY_BROKER_URL"]).partition("://")[0]
        print(
            f"CELERY_BROKER_URL: {scheme}:// is not the broker on PostgreSQL, or not used: no tables needed"
        )
        return 0
    try:
        wait_for_databases({alias: VARIABLES[alias]}, env["DATABASE_WAIT_S"])
        if not check_only:
            refuse_pooler(alias, consumes=True)  # the lock would not survive it either
            make_broker(alias, env["MIGRATIONS_WAIT_S"])
        lacking = broker_lacks(alias)
    except GiveUp as error:
        print(error, file=sys.stderr)
        return error.status
    except Error as error:
        print(f"{VARIABLES[alias]}: {' '.join(str(error).split())}", file=sys.stderr)
        return EX_SOFTWARE
    print(f"{VARIABLES[alias]}: the database {lacking or "has all of the broker's tables"}")
    if alias == "default":
        print("the broker is in Django's own database: `doorito run manage migrate` makes them as well")
    if not lacking:
        return 0
    return LACKING if check_only else EX_SOFTWARE


if __name__ == "__main__":
    # Errors and progress in the order in which they were written.
    os.dup2(1, 2)
    sys.exit(main("--check" in sys.argv[1:]))
