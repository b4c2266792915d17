"""What keeps the tables small."""

from __future__ import annotations

import pytest
from django.db import connection

from apps.broker import sql
from apps.broker.maintenance import ENTRY_BYTES, INDEX_BYTES, Index, is_bloated
from apps.broker.models import Message, Queue
from apps.broker.tasks import maintain


@pytest.mark.parametrize(
    ("size", "rows", "expected"),
    [
        (INDEX_BYTES, 0, False),
        (INDEX_BYTES + 1, 0, True),
        (60_000_000, 1_000_000, False),
        (ENTRY_BYTES * 1_000_000 + 1, 1_000_000, True),
    ],
)
def test_an_index_is_made_anew_when_its_rows_do_not_explain_it(size: int, rows: int, expected: bool) -> None:
    """A small one is left alone, and so is a large one of a long queue."""
    assert is_bloated(Index("any", size, rows, is_valid=True)) is expected


@pytest.mark.django_db(transaction=True)
def test_what_nobody_will_ever_get_is_dropped() -> None:
    """Expired messages of a queue that nobody consumes, and messages without a queue."""
    Queue.objects.create(name="kept")
    for queue, age in (("kept", "1 hour"), ("kept", "-1 hour"), ("deleted", "1 hour")):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO broker_message (queue, rank, id, envelope, body, expires_at)"
                f" VALUES (%s, 0, nextval('broker_message_id'), '[]', '', now() + interval '{age}')",
                [queue],
            )
    assert maintain()["expired"] == 1
    assert list(Message.objects.values_list("queue", flat=True)) == ["kept"]


@pytest.mark.django_db(transaction=True)
def test_an_index_that_an_interrupted_attempt_left_behind_is_dropped() -> None:
    """PostgreSQL leaves it invalid, and goes on writing it."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE INDEX left_behind ON broker_message (id)")
        cursor.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'left_behind'::regclass")
    maintain()
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('left_behind')")
        assert cursor.fetchone() == (None,)


def test_all_tables_that_churn_are_maintained() -> None:
    """The ones that tasks go through."""
    assert set(sql.QUEUE_TABLES) == {"broker_message", "broker_delivery", "broker_delayed"}
