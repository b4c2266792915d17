"""Beat, which can be stopped at any moment."""

from __future__ import annotations

from celery import platforms
from celery.apps.beat import Beat as CeleryBeat
from celery.beat import Service

from apps.scheduler.stops import stop


class Beat(CeleryBeat):
    """Celery's, but for what TERM and INT do.

    Celery's own handler saves the schedule wherever the signal came. In the middle of a query that is another
    one on the same connection, whose lock the first has: beat stands still until it is killed. Here the
    signal ends beat's loop, which saves the schedule when it ends.
    """

    def install_sync_handler(self, service: Service) -> None:
        """What Celery calls before the loop begins."""
        platforms.signals.update(SIGTERM=stop.on_signal, SIGINT=stop.on_signal)
