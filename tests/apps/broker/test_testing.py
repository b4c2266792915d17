"""What tests can say of the tasks that were sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from celery import chain
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from django.test import TestCase, TransactionTestCase
from kombu import Exchange, Queue
from pytest_django import Settings

from apps.broker.testing import AssertSentMixin, SentTasks, sending, sent
from boot.celery import app
from tests.apps.broker import probes
from tests.apps.broker.probes import note

# Celery's types lack what its tasks have under Django, and some options.
add: Any = probes.add


class InATestCase(AssertSentMixin, TestCase):
    """Everything happens in one transaction, which is rolled back."""

    def test_what_is_sent_is_seen(self) -> None:
        add.delay(1, y=2)
        found = self.assertTaskSent(add, args=[1], kwargs={"y": 2}, queue="default", times=1)
        assert self.sent_tasks() == [found]
        self.assertNoTaskSent(note)

    def test_what_another_test_sent_is_not(self) -> None:
        self.assertNoTaskSent()

    def test_what_is_sent_on_commit_is_seen_when_that_is_asked_for(self) -> None:
        with self.captureOnCommitCallbacks(execute=True):
            add.delay_on_commit(1)
            self.assertNoTaskSent()
        self.assertTaskSent(add)


class InATransactionTestCase(AssertSentMixin, TransactionTestCase):
    """Everything is committed, and all tables are emptied afterwards, the broker's as well."""

    def _send_and_see(self) -> None:
        add.delay(1)
        with transaction.atomic():
            add.delay(2)
        assert [task.args for task in self.sent_tasks(add)] == [(1,), (2,)]

    def test_what_is_sent_is_seen(self) -> None:
        self._send_and_see()

    def test_it_is_seen_after_the_tables_were_emptied(self) -> None:
        """The queues are gone, and nobody has said so to whoever declared them."""
        self._send_and_see()

    async def test_an_async_test_sees_what_it_sends(self) -> None:
        """Under TestCase as well, but the event loop is not in its transaction: that one would stay."""
        add.delay(1)
        await sync_to_async(self.assertTaskSent)(add, [1])


def test_a_record_says_all_that_matters(sent_tasks: SentTasks) -> None:
    eta = datetime(2100, 1, 2, 3, 4, tzinfo=UTC)
    expires = eta + timedelta(days=1)
    result = add.apply_async(
        (1,), {"y": 2}, queue="high", priority=3, eta=eta, expires=expires, headers={"by": "me"}
    )
    (task,) = sent_tasks()
    assert (task.name, task.args, task.kwargs, task.queue, task.priority) == (
        "probe.add",
        (1,),
        {"y": 2},
        "high",
        3,
    )
    assert (task.eta, task.expires, task.id, task.headers["by"]) == (eta, expires, result.id, "me")
    assert str(task) == f"probe.add(1, y=2) to high, priority 3, eta {eta}, expires {expires}"
    assert sent_tasks.assert_sent("probe.add", eta=eta, headers={"by": "me"}) == task


def test_tasks_come_in_the_order_in_which_they_were_sent(sent_tasks: SentTasks) -> None:
    """Not in that of their delivery; a chain is its first task."""
    add.apply_async((1,), countdown=60)
    add.apply_async((2,), priority=9, queue=Queue("urgent", queue_arguments={"x-max-priority": 10}))
    chain(note.s("a", "b"), note.s("c"))()
    assert [task.args for task in sent_tasks()] == [(1,), (2,), ("a", "b")]


def test_arguments_are_compared_as_a_worker_gets_them(sent_tasks: SentTasks) -> None:
    """JSON has lists where Python has tuples."""
    add.delay((1, 2), y={"z": (3,)})
    sent_tasks.assert_sent(add, [(1, 2)], {"y": {"z": (3,)}})


def test_a_failure_says_what_was_sent_instead(sent_tasks: SentTasks) -> None:
    add.delay(1)
    note.apply_async(("a", "b"), queue="high")
    listed = "Sent were:\n  probe.add(1) to default\n  probe.note('a', 'b') to high"
    with pytest.raises(AssertionError) as wrong_queue:
        sent_tasks.assert_sent(add, [1], queue="high")
    assert str(wrong_queue.value) == f"probe.add, args (1,), queue 'high' was not sent. {listed}"
    with pytest.raises(AssertionError) as wrong_number:
        sent_tasks.assert_sent(add, times=2)
    assert str(wrong_number.value) == f"probe.add was sent 1 time(s) instead of 2. {listed}"
    with pytest.raises(AssertionError) as wrong_task:
        sent_tasks.assert_none_sent(add)
    assert str(wrong_task.value) == f"probe.add was sent, unexpectedly. {listed}"
    with pytest.raises(AssertionError) as any_task:
        sent_tasks.assert_none_sent()
    assert str(any_task.value) == f"Tasks were sent, unexpectedly. {listed}"
    with pytest.raises(TypeError, match="a sent task has no colour"):
        sent_tasks.assert_sent(add, colour="red")


def test_a_failure_says_why_nothing_was_sent(sent_tasks: SentTasks, settings: Settings) -> None:
    with pytest.raises(AssertionError, match=r"probe.add was not sent. Nothing was sent.$"):
        sent_tasks.assert_sent(add)
    settings.CELERY_TASK_ALWAYS_EAGER = True
    add.delay(1)
    with pytest.raises(AssertionError, match="CELERY_TASK_ALWAYS_EAGER is on"):
        sent_tasks.assert_sent(add)


def test_what_is_no_task_is_left_out(sent_tasks: SentTasks) -> None:
    """Such as an event, or what goes through kombu."""
    with app.producer_or_acquire() as producer:
        queue = Queue("raw", Exchange("raw"), routing_key="raw")
        producer.publish({"hello": "world"}, exchange=queue.exchange, routing_key="raw", declare=[queue])
    assert sent_tasks() == []


def test_a_broker_elsewhere_cannot_be_asked(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.conf, "broker_write_url", "amqp://me:secret@rabbit.example//")
    with (
        pytest.raises(ImproperlyConfigured, match=r"amqp://me:\*\*@rabbit.example.*none of Django's"),
        sending(),
    ):
        raise AssertionError
    monkeypatch.setattr(app.conf, "broker_write_url", "sqla+postgresql://db.example/other")
    with pytest.raises(ImproperlyConfigured, match=r"db\.example/other is in none of Django's"):
        sent()


@pytest.mark.django_db(transaction=True)
def test_it_works_without_a_transaction(transactional_db: None, sent_tasks: SentTasks) -> None:
    """As with the fixture `transactional_db`."""
    assert not connection.in_atomic_block
    add.delay(1)
    sent_tasks.assert_sent(add, [1])
