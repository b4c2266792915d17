"""Messages that were given up: found, put back into their queues, or discarded."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import batched
from typing import Any, Final, NamedTuple

from django.db import router

from apps.broker import sql, transactions
from apps.broker.models import DeadLetter

AT_ONCE: Final = 1000  # letters in one statement, which is one transaction


class Requeued(NamedTuple):
    """What became of letters, by id."""

    moved: list[int]
    homeless: dict[int, str]  # left as they are: the queue of that name is gone
    unknown: list[int]  # no dead letters, or no longer


def ids_of(queue: str) -> list[int]:
    """A queue's dead letters, the oldest first."""
    return list(DeadLetter.objects.filter(queue=queue).order_by("id").values_list("id", flat=True))


def requeue(ids: Iterable[int]) -> Requeued:
    """Put letters back into their queues, with a death count of 0, and wake the consumers.

    Twice is as good as once. Raises Django's database errors; what was put back until then stays so.
    """
    done = Requeued([], {}, [])
    for batch in batched(ids, AT_ONCE):
        for id_, queue, is_moved, is_homeless in _run(sql.REQUEUE, batch):
            if is_moved:
                done.moved.append(id_)
            elif is_homeless:
                done.homeless[id_] = queue
            else:
                done.unknown.append(id_)
    return done


def discard(ids: Iterable[int]) -> list[int]:
    """Delete letters for good; those that were there. Raises Django's database errors."""
    return sorted(row[0] for batch in batched(ids, AT_ONCE) for row in _run(sql.DISCARD, batch))


def _run(statement: str, ids: tuple[int, ...]) -> list[tuple[Any, ...]]:
    return transactions.run(router.db_for_write(DeadLetter), statement, list(ids))
