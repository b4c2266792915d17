"""Beat's schedule in the database, for a beat that waits for a database that is away."""

from __future__ import annotations

import logging
import time
from typing import Final

from django.db import OperationalError, close_old_connections, connection
from django_celery_beat.schedulers import DatabaseScheduler

RETRY_S: Final = 1.0  # seconds between two tries: a restart of PostgreSQL takes about as long

logger = logging.getLogger(__name__)


class WaitingScheduler(DatabaseScheduler):
    """DatabaseScheduler, except that a database that is away at the start is waited for.

    Beat would otherwise die of it, be restarted, and die again until supervisord gives up.
    """

    def setup_schedule(self) -> None:
        """Install the entries of the settings, once the database answers."""
        # Asked before, not after a failure: the base class half remembers a read that failed.
        while not _database_answers():
            time.sleep(RETRY_S)
        super().setup_schedule()


def _database_answers() -> bool:
    close_old_connections()
    try:
        connection.ensure_connection()
    except OperationalError as error:
        logger.warning("the database does not answer, trying again in %g s: %s", RETRY_S, error)
        return False
    return True
