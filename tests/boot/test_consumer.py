"""The worker's word on itself, from the loop that takes its tasks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.concurrency import solo
from django.conf import LazySettings
from kombu.asynchronous import Hub

from boot import heartbeat
from boot.consumer import NOT_CONNECTED, Heartbeat

PROGRAM = "celery-worker"
POOL = SimpleNamespace(num_processes=3)


@pytest.fixture
def fact(tmp_path: Path, settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """What the worker has reported, where supervisord runs this process as its worker."""
    settings.RUNTIME_DIR = tmp_path
    monkeypatch.setenv("SUPERVISOR_PROCESS_NAME", PROGRAM)
    return lambda: heartbeat.read(tmp_path, PROGRAM)


def test_a_loop_without_events_reports_at_its_turns(fact: Callable[[], Any]) -> None:
    """Not when it connects; and what Celery does at a turn is done all the same."""
    turns: list[str] = []
    consumer = SimpleNamespace(pool=POOL, hub=None, perform_pending_operations=lambda: turns.append("turn"))
    step = Heartbeat(consumer)
    step.start(consumer)
    assert fact() is None
    consumer.perform_pending_operations()
    assert fact().ready
    assert turns == ["turn"]


def test_an_event_loop_reports_as_it_runs(fact: Callable[[], Any]) -> None:
    """From the loop of a real hub, and not before that runs."""
    hub = Hub()
    try:
        consumer = SimpleNamespace(pool=POOL, hub=hub)
        Heartbeat(consumer).start(consumer)
        assert fact() is None
        next(hub.create_loop())
        assert fact().ready
        assert fact().processes == 3
        assert not fact().exempt
    finally:
        hub.close()


def test_a_loop_in_which_tasks_run_is_exempt_from_the_watchdog(fact: Callable[[], Any]) -> None:
    """The solo pool's, one without events, and one that has ended while tasks run on."""
    app = Celery(set_as_current=False)
    hub = Hub()
    try:
        for pool, loop in ((solo.TaskPool(app=app), hub), (POOL, None)):
            consumer = SimpleNamespace(pool=pool, hub=loop, perform_pending_operations=lambda: None)
            step = Heartbeat(consumer)
            step.start(consumer)
            if loop:
                next(hub.create_loop())
            consumer.perform_pending_operations()
            assert fact().exempt
        consumer = SimpleNamespace(pool=POOL, hub=hub)
        step = Heartbeat(consumer)
        step.start(consumer)
        step.stop(consumer)
        assert fact().exempt
    finally:
        hub.close()


def test_a_lost_connection_is_said_until_there_is_another(fact: Callable[[], Any]) -> None:
    """Also by timers that Celery fires from a thread while a worker drains."""
    hub = Hub()
    try:
        consumer = SimpleNamespace(pool=POOL, hub=hub)
        step = Heartbeat(consumer)
        step.start(consumer)
        next(hub.create_loop())
        step.stop(consumer)
        assert (fact().ready, fact().reasons) == (False, (NOT_CONNECTED,))
        for entry in list(hub.timer.queue):
            entry.entry()  # as the thread does
        assert not fact().ready
        step.start(consumer)
        next(hub.create_loop())
        assert fact().ready
    finally:
        hub.close()


def test_a_worker_by_hand_reports_nothing(fact: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """It would speak for the one that supervisord runs."""
    monkeypatch.delenv("SUPERVISOR_PROCESS_NAME")
    consumer = SimpleNamespace(pool=POOL, hub=None, perform_pending_operations=lambda: None)
    Heartbeat(consumer).start(consumer)
    consumer.perform_pending_operations()
    assert fact() is None
