"""Sending many tasks at once."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery, chain, signals, signature
from celery._state import _task_stack  # type: ignore[attr-defined]
from celery.canvas import Signature
from celery.result import AsyncResult
from django.db import connection, transaction
from kombu.exceptions import OperationalError
from pytest_django import Settings

from apps.broker import bulk
from apps.broker.bulk import send_many
from apps.broker.models import Content, Delayed, Message
from apps.broker.testing import SentTasks
from boot.celery import app
from tests.apps.broker import probes
from tests.apps.broker.probes import urgent

# Celery's types lack what its tasks have under Django, and some options.
add: Any = probes.add
note: Any = probes.note

committing = pytest.mark.django_db(transaction=True, available_apps=["apps.broker"])


def _stored() -> list[str]:
    """What each message is without its own ids and arguments, which have to fit each other."""
    rows = [*Message.objects.order_by("id"), *Delayed.objects.order_by("id")]
    return [_shape(row) for row in rows]


def _shape(row: Content) -> str:
    envelope = json.loads(row.envelope)
    headers, properties = envelope[2], envelope[3]
    assert headers.pop("id") == headers.pop("root_id") == properties.pop("correlation_id")
    args, kwargs, embedded = json.loads(bytes(row.body))
    assert (headers.pop("argsrepr"), headers.pop("kwargsrepr")) == (repr(tuple(args)), repr(kwargs))
    for moment in ("eta", "expires"):
        headers[moment] = bool(headers[moment])
    return json.dumps([envelope, embedded, row.queue, row.rank, row.ttl_ms])


def test_results_are_those_of_the_signatures(sent_tasks: SentTasks) -> None:
    """In their order."""
    results = send_many(add.s(number, y=number) for number in range(5))
    assert [result.id for result in results] == [task.id for task in sent_tasks()]
    assert [task.args for task in sent_tasks()] == [(0,), (1,), (2,), (3,), (4,)]
    assert [task.kwargs["y"] for task in sent_tasks()] == [0, 1, 2, 3, 4]
    assert all(isinstance(result, AsyncResult) and result.ignored for result in results)


@pytest.mark.parametrize(
    "make",
    [
        lambda: add.s(1, y=2),
        lambda: add.si("text"),
        lambda: note.s("a", "b").set(queue="high", priority=3),
        lambda: note.s("a", "b").set(countdown=60, expires=90),
        lambda: note.s("a", "b").set(headers={"by": "me"}, link=add.s(1), link_error=add.s(2)),
        lambda: note.s("a", "b").set(time_limit=3, shadow="other", ignore_result=True, reply_to="me"),
        lambda: signature("not.registered.here", (1, 2), {"three": 3}),
    ],
)
def test_copies_are_what_celery_would_have_sent(make: Callable[[], Signature], sent_tasks: SentTasks) -> None:
    """All that a message holds, whatever its options."""
    make().apply_async()
    send_many(make() for _ in range(3))
    own, *copies = _stored()
    assert copies == [own] * 3


def test_each_signature_is_sent_as_it_is(sent_tasks: SentTasks) -> None:
    """Several tasks, options and ids among each other."""
    send_many([
        add.s(1),
        note.s("a", "b"),
        add.s(2).set(queue="high"),
        add.s(3).set(queue="high"),
        add.s(4).set(queue="high", task_id="mine"),
        add.s(5),
    ])  # fmt: skip
    found = [(task.name, task.args[0], task.queue) for task in sent_tasks()]
    assert found == [
        ("probe.add", 1, "default"),
        ("probe.note", "a", "default"),
        ("probe.add", 2, "high"),
        ("probe.add", 3, "high"),
        ("probe.add", 4, "high"),
        ("probe.add", 5, "default"),
    ]
    assert sent_tasks()[4].id == "mine"


def test_options_count_for_all(sent_tasks: SentTasks) -> None:
    """As `apply_async` of a signature takes them."""
    send_many([add.s(1), add.s(2).set(queue="default")], queue="high", countdown=60)
    assert [(task.queue, bool(task.eta)) for task in sent_tasks()] == [("high", True)] * 2


def test_long_arguments_are_shown_shortened(sent_tasks: SentTasks) -> None:
    """As Celery does it."""
    send_many(note.s("x" * 5000, {"deep": [[[["y"]]]]}) for _ in range(2))
    one, other = (task.headers["argsrepr"] for task in sent_tasks())
    assert one == other
    assert len(one) < 1100


def test_a_wrong_argument_sends_nothing(sent_tasks: SentTasks) -> None:
    """As `apply_async` refuses it."""
    with pytest.raises(TypeError):
        send_many([add.s(1), add.s(2), add.s(1, 2, 3)])
    sent_tasks.assert_none_sent()


@committing
@pytest.mark.parametrize("within", [True, False])
def test_all_are_sent_or_none(
    within: bool, monkeypatch: pytest.MonkeyPatch, transactional_db: None, sent_tasks: SentTasks
) -> None:
    """In several statements as well; a sender who is in a transaction may go on with it."""
    monkeypatch.setattr(bulk, "STATEMENT", 2)
    with transaction.atomic() if within else contextlib.nullcontext():
        with pytest.raises(TypeError):
            send_many([*(add.s(number) for number in range(5)), add.s(1, 2, 3)])
        assert not Message.objects.exists()
        send_many(add.s(number) for number in range(5))
        assert Message.objects.count() == 5
    assert Message.objects.count() == 5


@committing
def test_they_belong_to_the_transaction_around_them(transactional_db: None, sent_tasks: SentTasks) -> None:
    with contextlib.suppress(ZeroDivisionError), transaction.atomic():
        send_many(add.s(number) for number in range(3))
        assert Message.objects.count() == 3
        raise ZeroDivisionError
    assert Message.objects.count() == 0


def test_compositions_are_refused(sent_tasks: SentTasks) -> None:
    """Each of them may be sent through connections of its own, and so on its own."""
    with pytest.raises(TypeError, match="not the signature of a task; call its own apply_async"):
        send_many([add.s(1), chain(note.s("a", "b"), note.s("c"))])
    sent_tasks.assert_none_sent()


def test_what_is_no_signature_is_refused(sent_tasks: SentTasks) -> None:
    """A task, and one signature where several are expected."""
    with pytest.raises(TypeError, match=r"not the signature of a task; such as add.s\(1, 2\)"):
        send_many([add])
    with pytest.raises(TypeError, match=r"takes several signatures, such as a list; probe.add\(1\) is one"):
        send_many(add.s(1))
    sent_tasks.assert_none_sent()


def odd_ones_by_default(name: str, args: tuple[int, ...], *_: Any, **__: Any) -> dict[str, str]:
    return {"queue": ("high", "default")[args[0] % 2]}


@pytest.mark.parametrize("routes", [{"probe.*": {"queue": "high"}}, (odd_ones_by_default,)])
def test_routes_are_followed(routes: Any, sent_tasks: SentTasks) -> None:
    """Those that look at the arguments as well."""
    app.conf.update(task_routes=routes)
    try:
        send_many(add.s(number) for number in (0, 2, 3))
    finally:
        app.conf.update(task_routes=None)
    expected = ["high"] * 3 if isinstance(routes, dict) else ["high", "high", "default"]
    assert [task.queue for task in sent_tasks()] == expected


@pytest.mark.parametrize("name", ["before_task_publish", "after_task_publish", "task_sent"])
def test_whoever_listens_hears_of_each(name: str, sent_tasks: SentTasks) -> None:
    """And may add a header."""
    heard: list[str] = []

    def listen(sender: str, headers: dict[str, Any] | None = None, **_: Any) -> None:
        heard.append(sender)
        if headers is not None:
            headers["heard"] = True

    signal = getattr(signals, name)
    signal.connect(listen)
    try:
        send_many(add.s(number) for number in range(3))
    finally:
        signal.disconnect(listen)
    assert heard == ["probe.add"] * 3
    assert len(sent_tasks()) == 3
    assert name != "before_task_publish" or all(task.headers["heard"] for task in sent_tasks())


@committing
def test_events_tell_of_each(transactional_db: None, sent_tasks: SentTasks) -> None:
    """Where they are switched on."""
    app.conf.task_send_sent_event = True
    events: list[dict[str, Any]] = []
    try:
        with app.connection_for_read() as broker:
            receiver = app.events.Receiver(broker, {"task-sent": events.append})
            with receiver.consumer_context() as (listening, _, _):
                send_many(add.s(number) for number in range(3))
                for _ in range(3):
                    listening.drain_events(timeout=10)
    finally:
        app.conf.task_send_sent_event = False
    assert [event["uuid"] for event in events] == [task.id for task in sent_tasks()]


def test_a_class_s_own_way_of_sending_is_its_own(sent_tasks: SentTasks) -> None:
    send_many(urgent.s() for _ in range(3))
    assert [task.queue for task in sent_tasks()] == ["high"] * 3


def test_a_task_that_sends_them_is_their_parent(sent_tasks: SentTasks) -> None:
    """As for those that it sends one by one."""
    add.push_request(id="parent", root_id="root", is_eager=False, called_directly=False, children=[])
    _task_stack.push(add)
    try:
        results = send_many(add.s(number) for number in range(3))
        assert [child.id for child in add.request.children] == [result.id for result in results]
    finally:
        _task_stack.pop()
        add.pop_request()
    assert {(task.headers["parent_id"], task.headers["root_id"]) for task in sent_tasks()} == {
        ("parent", "root")
    }


def test_eager_tasks_run_at_once(db: None, settings: Settings) -> None:
    settings.CELERY_TASK_ALWAYS_EAGER = True
    assert [result.get() for result in send_many(add.s(number, 1) for number in range(3))] == [1, 2, 3]


@pytest.fixture
def use() -> Iterator[Callable[..., Celery]]:
    """Make an application with another broker the current one."""

    def other(broker: str, **configuration: Any) -> Celery:
        made = Celery("other", broker=broker, set_as_current=False)
        made.conf.update(task_create_missing_queues=True, **configuration)
        made.set_current()
        return made

    yield other
    app.set_current()


def test_other_brokers_get_them_one_by_one(use: Callable[..., Celery]) -> None:
    other = use("memory://")
    send_many(signature("any.task", (number,)) for number in range(3))
    with other.connection_for_read() as broker, broker.SimpleQueue(other.conf.task_default_queue) as queue:
        assert [queue.get(timeout=10).payload[0] for _ in range(3)] == [[0], [1], [2]]


def test_a_broker_that_is_away_is_kombu_s_error(use: Callable[..., Celery]) -> None:
    """The one that `delay` raises."""
    patience = {"max_retries": 1, "interval_start": 0}
    away = "sqla+postgresql://nobody@127.0.0.1:1/nothing"
    use(away, task_publish_retry=False, broker_transport_options=patience)
    with pytest.raises(OperationalError, match="refused"):
        send_many([signature("any.task")])


@committing
def test_a_connection_that_was_lost_meanwhile_is_replaced(
    transactional_db: None, sent_tasks: SentTasks
) -> None:
    add.delay(0)
    _end_the_broker_s_connections()
    send_many(add.s(number) for number in (1, 2))
    assert len(sent_tasks()) == 3


@committing
def test_a_connection_that_is_lost_in_the_middle_sends_nothing(
    monkeypatch: pytest.MonkeyPatch, transactional_db: None, sent_tasks: SentTasks
) -> None:
    """The error is the one that `delay` raises, and trying again is safe."""
    monkeypatch.setattr(bulk, "STATEMENT", 2)

    def signatures() -> Iterator[Signature]:
        yield from (add.s(number) for number in range(5))
        _end_the_broker_s_connections()
        yield add.s(6)

    with pytest.raises(OperationalError, match="lost"):
        send_many(signatures())
    sent_tasks.assert_none_sent()


def _end_the_broker_s_connections() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity"
            " WHERE application_name = 'doorito broker' AND datname = current_database()"
        )
        assert cursor.fetchone() >= (1,)
