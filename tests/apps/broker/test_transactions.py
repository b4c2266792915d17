"""A task sent within a transaction exists if and only if that commits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from celery import chain, chord, group
from django.db import DatabaseError, IntegrityError, OperationalError, connection, connections, transaction
from django.db.transaction import TransactionManagementError
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.urls import path as route
from kombu import Queue
from pytest_django import DjangoAssertNumQueries, Settings

from apps.accounts.models import User
from apps.broker import aliases
from apps.broker.bulk import send_many
from apps.broker.models import Delayed, Message
from apps.broker.testing import sent
from boot.celery import app
from tests.apps.broker import probes
from tests.apps.broker.probes import collect, replace_within, retry_within
from tests.apps.broker.worker import Worker, lines
from tests.system.stack import wait_until

# Only these are emptied after each test; all of them would take longer than the tests.
pytestmark = pytest.mark.django_db(transaction=True, available_apps=["apps.broker", "django_celery_results"])


# Celery's types lack what its tasks have under Django, and some options.
add: Any = probes.add
note: Any = probes.note

BOTH = "SELECT count(*) FROM (SELECT id FROM broker_message UNION SELECT id FROM broker_delayed) AS sent"


class Rolled(Exception):
    """Rolls a transaction back."""


@contextmanager
def rolled_back(using: str = "default") -> Iterator[None]:
    """A transaction that fails at its end."""
    with contextlib.suppress(Rolled), transaction.atomic(using=using):
        yield
        raise Rolled


@pytest.fixture(autouse=True)
def lazily(settings: Settings) -> None:
    settings.CELERY_TASK_ALWAYS_EAGER = False


@pytest.fixture
def others_see() -> Iterator[Callable[[], int]]:
    """How many messages a second connection sees."""
    other = connection.copy()

    def count() -> int:
        with other.cursor() as cursor:
            cursor.execute(BOTH)
            return int(cursor.fetchone()[0])

    yield count
    other.close()


def test_it_is_there_once_the_transaction_commits(others_see: Callable[[], int]) -> None:
    """Not before."""
    with transaction.atomic():
        add.delay(1)
        assert Message.objects.count() == 1
        assert others_see() == 0
    assert others_see() == 1


def test_a_rolled_back_one_was_never_there(others_see: Callable[[], int]) -> None:
    with rolled_back():
        add.delay(1)
    assert others_see() == 0
    add.delay(2)
    assert others_see() == 1


def test_a_savepoint_takes_its_own_back(others_see: Callable[[], int]) -> None:
    """What was sent around it stays."""
    with transaction.atomic():
        add.delay(1)
        with rolled_back():
            add.delay(2)
            with transaction.atomic():
                add.delay(3)
        add.delay(4)
    assert others_see() == 2


@pytest.mark.parametrize("durable", [True, False])
def test_a_transaction_marked_for_rollback_sends_nothing(
    durable: bool, others_see: Callable[[], int]
) -> None:
    with transaction.atomic(durable=durable):
        add.delay(1)
        transaction.set_rollback(True)
    assert others_see() == 0


def test_a_transaction_by_hand_counts_too(others_see: Callable[[], int]) -> None:
    """With autocommit off, as Django offers it."""
    transaction.set_autocommit(False)
    try:
        add.delay(1)
        transaction.rollback()
        add.delay(2)
        assert others_see() == 0
        transaction.commit()
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)
    assert others_see() == 1


def test_a_broken_transaction_refuses_as_it_refuses_all_else(others_see: Callable[[], int]) -> None:
    """With the exceptions that a query gets."""
    with transaction.atomic():
        with pytest.raises(IntegrityError), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO broker_exchange (name, type) VALUES ('twice', 'topic'), ('twice', 'topic')"
            )
        with pytest.raises(DatabaseError, match="current transaction is aborted"):
            add.delay(1)
        transaction.set_rollback(True)
        with pytest.raises(TransactionManagementError, match="until the end of the 'atomic' block"):
            add.delay(2)
    assert others_see() == 0


def test_a_connection_that_is_lost_is_not_replaced(others_see: Callable[[], int]) -> None:
    """It took the transaction with it; on a new one the task would be sent in spite of that."""
    add.delay(1)
    with pytest.raises(OperationalError):
        _lose_the_connection_and(lambda: add.delay(2))
    connection.close()
    assert others_see() == 1


@transaction.atomic
def _lose_the_connection_and(send: Callable[[], Any]) -> None:
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [connection.connection.info.backend_pid])
    other.close()
    send()


def test_every_way_of_sending_takes_part(others_see: Callable[[], int]) -> None:
    """Later, for a while, first, to another queue, by name, again, and in Celery's compositions."""
    with rolled_back():
        add.apply_async((1,), countdown=60)
        add.apply_async((2,), expires=60)
        add.apply_async((3,), priority=5, queue="high")
        add.apply_async((4,), retries=1)
        app.send_task("probe.unknown", (5,))
        chain(note.s("a", "b"), note.s("c"))()
        group(add.s(6), add.s(7))()
        chord([note.s("a", "b"), note.s("a", "c")], collect.s("a"))()
        assert (Message.objects.count(), Delayed.objects.count()) == (9, 1)
    assert others_see() == 0


def test_a_time_to_live_begins_with_the_sending() -> None:
    """Not with the transaction, which may have begun long before."""
    with transaction.atomic(), connection.cursor() as cursor:
        add.apply_async((1,), expires=60)
        add.apply_async((2,), expires=60)
        cursor.execute("SELECT count(*) FROM broker_message WHERE expires_at > now() + interval '60 seconds'")
        assert cursor.fetchone() == (2,)


def test_only_a_transaction_on_the_broker_s_database_counts(
    elsewhere: str, others_see: Callable[[], int]
) -> None:
    """Another database of the same server knows nothing of it."""
    with rolled_back(elsewhere):
        add.delay(1)
        assert others_see() == 1
    assert others_see() == 1


def test_a_broken_transaction_elsewhere_is_in_nobody_s_way(
    elsewhere: str, others_see: Callable[[], int]
) -> None:
    with transaction.atomic(using=elsewhere):
        transaction.set_rollback(True, using=elsewhere)
        add.delay(1)
    assert others_see() == 1


def test_a_second_way_to_the_same_database_counts(second: str, others_see: Callable[[], int]) -> None:
    """Whatever it is called, and whoever logs in: the server says which tables they are."""
    with rolled_back(second):
        add.delay(1)
    assert others_see() == 0


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with _database(monkeypatch, "elsewhere", NAME="postgres") as alias:
        yield alias


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with _database(monkeypatch, "second", HOST=connection.settings_dict["OPTIONS"]["host"] + "/.") as alias:
        yield alias


@contextmanager
def _database(monkeypatch: pytest.MonkeyPatch, alias: str, **settings: str) -> Iterator[str]:
    given = {**connections.settings["default"], **settings}
    monkeypatch.setitem(connections.settings, alias, given)
    monkeypatch.setattr(aliases, "_creations", {**aliases._creations, alias: connections[alias].creation})
    connections[alias].connect()  # Django's tests would refuse it later
    yield alias
    connections[alias].close()
    del connections[alias]


def test_it_can_be_switched_off(settings: Settings, others_see: Callable[[], int]) -> None:
    settings.BROKER_TRANSACTIONAL = False
    with rolled_back():
        add.delay(1)
        assert others_see() == 1
    assert others_see() == 1


def test_on_commit_adds_nothing(others_see: Callable[[], int]) -> None:
    """Celery's own way for Django goes on to work."""
    with transaction.atomic():
        add.delay_on_commit(1)
        assert Message.objects.count() == 0
    assert others_see() == 1


def test_sending_counts_as_no_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """Whichever broker it is, and whether tasks are eager."""
    with transaction.atomic(), django_assert_num_queries(0):
        add.delay(1)


def test_a_queue_drops_what_is_above_its_limit_after_the_commit(others_see: Callable[[], int]) -> None:
    """The oldest, among them what others have sent meanwhile; a rolled back one pushes nothing out."""
    queue = Queue("short", queue_arguments={"x-max-length": 2})
    for number in (1, 2):
        add.apply_async((number,), queue=queue)
    with rolled_back():
        add.apply_async((3,), queue=queue)
    assert _numbers() == [1, 2]
    with transaction.atomic():
        add.apply_async((4,), queue=queue)
        assert _numbers() == [1, 2, 4]
    assert _numbers() == [2, 4]


def _numbers() -> list[int]:
    return [task.args[0] for task in sent(add)]


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_snapshot_without_the_queue_is_an_error(level: str, others_see: Callable[[], int]) -> None:
    """Where the queue was declared after the transaction had begun; the next transaction sees it."""
    queue = Queue("novel")
    for again in (False, True):
        with contextlib.nullcontext() if again else pytest.raises(OperationalError, match="again"):
            _send_in_a_snapshot(level, queue)
    assert others_see() == 1


@transaction.atomic
def _send_in_a_snapshot(level: str, queue: Queue) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
    User.objects.count()
    add.apply_async((1,), queue=queue)


# Requests


def failing(request: HttpRequest) -> HttpResponse:
    add.delay(1)
    raise Rolled


def working(request: HttpRequest) -> HttpResponse:
    add.delay(2)
    return HttpResponse()


async def directly(request: HttpRequest) -> HttpResponse:
    add.delay(3)
    send_many(add.s(number) for number in range(2))
    return HttpResponse()


@sync_to_async
def _in_a_transaction(fails: bool) -> None:
    with transaction.atomic():
        add.delay(4)
        if fails:
            raise Rolled


async def in_a_thread(request: HttpRequest) -> HttpResponse:
    await _in_a_transaction(bool(request.GET))
    return HttpResponse()


urlpatterns = [
    route("failing", failing),
    route("working", working),
    route("directly", directly),
    route("in-a-thread", in_a_thread),
]


@pytest.fixture
def views(settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = []


def test_a_request_s_transaction_counts(
    views: None, monkeypatch: pytest.MonkeyPatch, others_see: Callable[[], int]
) -> None:
    """With ATOMIC_REQUESTS a failed request sends nothing."""
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    client = Client(raise_request_exception=False)
    assert client.get("/failing").status_code == 500
    assert others_see() == 0
    assert client.get("/working").status_code == 200
    assert others_see() == 1


def test_async_views_send(views: None, others_see: Callable[[], int]) -> None:
    """Within the event loop, and from a function with a transaction of its own."""

    async def ask(path: str) -> int:
        response = await AsyncClient(raise_request_exception=False).get(path)
        await sync_to_async(connections.close_all)()  # Django's own, of the thread that ran the function
        return int(response.status_code)

    assert asyncio.run(ask("/directly")) == 200
    assert others_see() == 3
    assert asyncio.run(ask("/in-a-thread?fails=1")) == 500
    assert others_see() == 3
    assert asyncio.run(ask("/in-a-thread")) == 200
    assert others_see() == 4


# With a worker


def test_a_worker_sees_what_is_committed_and_nothing_else(tmp_path: Path) -> None:
    """A chain, a group and a chord as well; and what was rolled back never runs."""
    place = str(tmp_path / "lines")
    with Worker(tmp_path):
        with rolled_back():
            note.delay(place, "never")
        with transaction.atomic():
            assert app.control.ping(timeout=10, limit=1)  # remote control waits for no commit
            chain(note.si(place, "first"), note.si(place, "second"))()
            group(note.si(place, "one"), note.si(place, "two"))()
            chord([note.si(place, "x"), note.si(place, "y")], collect.s(place))()
            note.apply_async((place, "later"), countdown=1)
            note.delay_on_commit(place, "committed")
            note.si(place, "before").delay()
            expected = {"first", "second", "one", "two", "x", "y", "x+y", "later", "committed", "before"}
            assert not lines(tmp_path / "lines")
        wait_until("all of them", lambda: set(lines(tmp_path / "lines")) == expected)


def test_what_leaves_a_task_by_an_exception_is_not_rolled_back_with_it(tmp_path: Path) -> None:
    """A retry and a replacement, which Celery sends and then raises."""
    with Worker(tmp_path):
        retry_within.delay(str(tmp_path / "retries"))
        replace_within.delay(str(tmp_path / "replaced"))
        wait_until("both", lambda: len(lines(tmp_path / "retries")) + len(lines(tmp_path / "replaced")) == 5)
    assert lines(tmp_path / "retries") == ["try 0", "try 1", "try 2"]
    assert lines(tmp_path / "replaced") == ["replaced", "and on"]
