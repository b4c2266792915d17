"""Whether this process can do its work: facts for /readyz."""

from __future__ import annotations

import logging

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor

logger = logging.getLogger(__name__)


def pending_migrations() -> list[str]:
    """The names of migrations that are not applied, such as "accounts.0002_language".

    Raises django.db.Error where the database cannot be asked.
    """
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


class Readiness:
    """Asks the database each time, and for migrations until all are applied.

    They do not become unapplied under a running process, and reading them all from disk for every
    probe would cost more than the rest of it.
    """

    def __init__(self) -> None:
        self._migrated = False

    def reasons(self) -> list[str]:
        """Why requests cannot be served, in plain words; empty when they can."""
        if settings.DRAINING_FILE.exists():
            return ["it is about to stop"]
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            pending = [] if self._migrated else pending_migrations()
        except Error as error:
            logger.warning("not ready: the database does not answer: %s", error)
            return ["the database does not answer"]
        self._migrated = not pending
        return [f"{len(pending)} migrations are not applied, the first is {pending[0]}"] if pending else []
