"""What each queue holds, and who consumes."""

from __future__ import annotations

from typing import NamedTuple

from django.db import transaction

from apps.broker import sql, transactions, whereabouts


class QueueState(NamedTuple):
    """A queue in this moment."""

    name: str
    declared: bool = True  # false: it was deleted, and has left dead letters
    ready: int = 0  # messages that wait for a consumer
    delayed: int = 0  # messages that wait for their time
    unacknowledged: int = 0  # messages that consumers have
    oldest_s: float | None = None  # seconds for which the oldest ready message has been ready
    consumers: int = 0
    dead: int = 0  # messages that were given up


def queues() -> list[QueueState]:
    """All queues, by name. Raises Django's database errors."""
    alias = whereabouts.alias()
    with transaction.atomic(using=alias):
        transactions.run(alias, sql.LOOK_SETTINGS)
        return [QueueState(*row) for row in transactions.run(alias, sql.OVERVIEW)]


def live_sessions() -> set[int]:
    """The ids of sessions whose connections are there. Raises Django's database errors."""
    return {row[0] for row in transactions.run(whereabouts.alias(), sql.LIVE_SESSIONS)}
