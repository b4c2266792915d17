"""Beat's schedule in the database, for a beat that waits for a database that is away."""

from __future__ import annotations

import logging
import time
from typing import Any, Final

from django.db import Error, connection
from django_celery_beat.schedulers import DatabaseScheduler

from apps.scheduler import ownership, signals
from apps.scheduler.stops import stop

NO_DATABASE: Final = "the database does not answer"
RETRY_S: Final = 1.0  # seconds between two tries: a restart of PostgreSQL takes about as long

logger = logging.getLogger(__name__)


class WaitingScheduler(DatabaseScheduler):
    """DatabaseScheduler, except that a database that is away is waited for.

    Beat would otherwise die of it, be restarted, and die again until supervisord gives up.
    """

    def setup_schedule(self) -> None:
        """Install the entries of the settings, once the database answers."""
        # Asked before, not after a failure: the base class half remembers a read that failed.
        while not _database_answers():
            time.sleep(RETRY_S)
        ownership.take_back()
        super().setup_schedule()

    def tick(self, *args: Any, **options: Any) -> Any:
        """A turn of beat's loop; seconds until the next one. Tells `signals.turned`."""
        self._reasons: list[str] = []
        wait = super().tick(*args, **options)
        signals.turned.send(sender=type(self), reasons=self._reasons)
        return wait

    def sync(self) -> None:
        """Save when each task was last sent."""
        with stop.awaits():
            super().sync()

    def schedule_changed(self) -> bool:
        """Whether rows have changed; while the database is away none has, in one line of the log."""
        with stop.awaits():
            if not _database_answers():
                self._reasons = [NO_DATABASE]
                return False
            return bool(super().schedule_changed())

    def all_as_schedule(self) -> dict[str, Any]:
        """The enabled rows; while the database is away, those that were read last."""
        try:
            with stop.awaits():
                schedule: dict[str, Any] = super().all_as_schedule()
        except Error as error:
            if self._schedule is None:
                raise
            logger.warning("the database does not answer, keeping the schedule as it was: %s", error)
            schedule = self._schedule
        return schedule


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as error:
        reason = " ".join(str(error).split())
        logger.warning("the database does not answer, trying again soon: %s", reason)
        connection.close()  # it may have died; the next try makes a new one
        return False
    return True
