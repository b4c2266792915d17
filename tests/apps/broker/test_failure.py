"""What a task's result says once its message has been given up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from celery import chord, group, signals
from celery.app.task import Context
from celery.result import AsyncResult
from kombu.exceptions import ContentDisallowed

from apps.broker import failure
from apps.broker.models import Message
from apps.broker.testing import SentTasks
from tests.apps.broker.probes import add, collect, note, urgent

GIVEN: Any = {"deaths": 3, "reason": "signal 9"}


def _give_up(result: AsyncResult[Any]) -> None:
    """As the broker tells of it."""
    message = next(row for row in Message.objects.all() if json.loads(row.envelope)[2]["id"] == result.id)
    failure.record(message.envelope, bytes(message.body), **GIVEN)


def test_it_has_failed_and_says_why(sent_tasks: SentTasks) -> None:
    result = note.delay("a", "b")
    _give_up(result)
    assert result.state == "FAILURE"
    assert str(result.result) == "given up after 3 deaths, the last: signal 9"


def test_a_result_that_nobody_wants_is_not_stored(sent_tasks: SentTasks) -> None:
    result = add.delay(1)
    _give_up(result)
    assert result.state == "PENDING"


def test_a_success_stays_one(sent_tasks: SentTasks) -> None:
    """The worker may have died before it could acknowledge the message."""
    result = note.delay("a", "b")
    note.backend.mark_as_done(result.id, "well")
    _give_up(result)
    assert (result.state, result.result) == ("SUCCESS", "well")


def test_errbacks_are_sent(sent_tasks: SentTasks) -> None:
    result = note.apply_async(("a", "b"), link_error=urgent.si())
    _give_up(result)
    sent_tasks.assert_sent(urgent)


def test_a_chord_fails_with_its_part(sent_tasks: SentTasks) -> None:
    result: Any = chord(group(note.s("a", "b"), note.s("a", "c")))(collect.s("place"))
    first, second = result.parent.results
    note.backend.store_result(first.id, "b", "SUCCESS")
    note.backend.on_chord_part_return(Context(id=first.id, group=result.parent.id), "SUCCESS", "b")
    _give_up(second)
    assert result.state == "FAILURE"


def test_whoever_listens_for_failures_hears_of_it(sent_tasks: SentTasks) -> None:
    heard: list[dict[str, Any]] = []

    def listen(**given: Any) -> None:
        heard.append(given)

    signals.task_failure.connect(listen)
    try:
        result = note.delay("a", line="b")
        _give_up(result)
    finally:
        signals.task_failure.disconnect(listen)
    (told,) = heard
    assert (told["sender"].name, told["task_id"]) == ("probe.note", result.id)
    assert (told["args"], told["kwargs"]) == (["a"], {"line": "b"})


def test_a_message_that_is_no_task_has_no_result(db: None) -> None:
    failure.record('["text/plain","utf-8",{},{},"","queue"]', b"hello", **GIVEN)


def test_what_no_worker_would_read_is_not_read(db: None) -> None:
    """A pickle is a program."""
    envelope = '["application/x-python-serialize","binary",{"task":"t","id":"i"},{},"","queue"]'
    with pytest.raises(ContentDisallowed):
        failure.record(envelope, b"cos\nsystem\n(S'false'\ntR.", **GIVEN)
