"""What keeps the tables small."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from apps.broker import sql
from apps.broker.maintenance import ENTRY_BYTES, INDEX_BYTES, justifying
from apps.broker.models import Message, Queue
from apps.broker.tasks import maintain


@pytest.mark.parametrize(
    ("size", "rows"),
    [(INDEX_BYTES, 0), (60_000_000, 200_000), (ENTRY_BYTES * 1_000_000 + 1, 1_000_001)],
)
def test_an_index_needs_rows_that_justify_its_size(size: int, rows: int) -> None:
    """A small one needs none; a large one is that of a long queue, or is made anew."""
    assert justifying(size) == rows


def ask(query: str) -> Any:
    """The first value of a query's answer, if it has one."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0] if cursor.description else None


@pytest.mark.django_db(transaction=True)
def test_a_drained_backlog_leaves_nothing_behind() -> None:
    """Table and index are small, though the statistics still tell of rows.

    Workers have vacuumed while it was drained: later vacuums pass over those pages, and count on.
    """
    Queue.objects.create(name="q")
    columns = "queue, rank, id, envelope, body"
    values = "SELECT 'q', 0, nextval('broker_message_id'), '[]', '' FROM generate_series(1, 200000)"
    ask(f"INSERT INTO broker_message ({columns}) {values}")
    for _ in range(4):
        ask("DELETE FROM broker_message WHERE id IN (SELECT id FROM broker_message ORDER BY id LIMIT 50000)")
        ask("VACUUM (TRUNCATE off, INDEX_CLEANUP on) broker_message")
    assert ask("SELECT pg_relation_size('broker_message_pkey')") > INDEX_BYTES
    assert maintain()["indexes"] == 1
    assert ask("SELECT pg_stat_get_live_tuples('broker_message'::regclass)") > 10_000
    assert ask("SELECT pg_total_relation_size('broker_message')") < 100_000


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
