"""Celery's consumer: ends where it could never work, and reports from its loop: a hung one falls silent."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from celery import bootsteps
from celery.concurrency import solo
from celery.exceptions import WorkerShutdown
from celery.worker import consumer
from django.conf import settings

from apps.broker.errors import BrokerUnusable, ResourceLocked
from boot import supervised, workers
from boot.env import EX_CONFIG

INTERVAL_S: Final = 2.0  # seconds between two reports
EX_UNAVAILABLE: Final = 69
TAKEN: Final = (
    "another worker is called %s; give one of them a name of its own: `-n NAME@%%h` (a worker whose host has "
    "gone away keeps its name until the broker notices; the one on PostgreSQL does within 25 seconds)"
)
NOT_CONNECTED: Final = "not connected to the broker"


logger = logging.getLogger(__name__)


class Consumer(consumer.Consumer):
    """Ends the worker with one line: status 78 where the broker is unusable, 69 where its name is taken."""

    def start(self) -> None:
        try:
            super().start()
        except BrokerUnusable as error:
            logger.critical("%s", error)
            raise WorkerShutdown(EX_CONFIG) from None
        except ResourceLocked:
            # A worker's queue for remote control belongs to it alone, on RabbitMQ too.
            logger.critical(TAKEN, self.hostname)
            raise WorkerShutdown(EX_UNAVAILABLE) from None

    def ensure_connected(self, conn: Any) -> Any:
        """While it waits for the broker it reports: a worker that waits does not hang."""
        ensure = conn.ensure_connection

        def ensure_connection(errback: Any, retries: Any, callback: Callable[[], None]) -> Any:
            def wait() -> None:
                _report(self, ready=False)
                callback()

            return ensure(errback, retries, callback=wait)

        conn.ensure_connection = ensure_connection
        try:
            return super().ensure_connected(conn)
        finally:
            del conn.ensure_connection


def _report(consumer: Any, ready: bool, ends: bool = False) -> None:
    # The solo pool runs tasks in this loop; Celery's loop for brokers without an event loop waits in it for a
    # free process; and when a loop has ended, tasks may run on. To the watchdog a long task would look like a
    # worker that hangs.
    stands_still = ends or isinstance(consumer.pool, solo.TaskPool) or not consumer.hub
    supervised.report(
        settings.RUNTIME_DIR,
        workers.NAME,
        ready,
        () if ready else (NOT_CONNECTED,),
        processes=consumer.pool.num_processes,
        exempt=stands_still,
    )


class Heartbeat(bootsteps.StartStopStep):
    """Reports from the consumer's own loop, never from a thread or a signal that would go on without it.

    A solo pool runs its tasks in that loop, so it is silent for as long as a task runs.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._consumer = consumer
        self._next_at = 0.0
        self._is_stopped = False
        if not consumer.hub:
            # Celery's loop for brokers that have no event loop calls this once a turn.
            pending = consumer.perform_pending_operations

            def perform_pending_operations() -> None:
                self._turn()
                pending()

            consumer.perform_pending_operations = perform_pending_operations

    def start(self, consumer: Any) -> None:
        """The consumer is connected; its loop runs next, and reports at its first turn."""
        self._next_at = 0.0
        self._is_stopped = False
        if consumer.hub:
            consumer.hub.call_soon(self._turn)
            # Celery cancels it when the connection is lost.
            consumer.hub.call_repeatedly(INTERVAL_S, self._turn)

    def stop(self, consumer: Any) -> None:
        """The connection was lost, or the worker is to stop, while Celery fires timers on in a thread."""
        self._is_stopped = True
        _report(consumer, ready=False, ends=True)

    def _turn(self) -> None:
        now = time.monotonic()
        if now >= self._next_at and not self._is_stopped:
            self._next_at = now + INTERVAL_S / 2
            _report(self._consumer, ready=True)
