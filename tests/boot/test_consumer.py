"""The worker's word on itself, from the loop that takes its tasks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import LazySettings
from kombu.asynchronous import Hub

from boot import heartbeat
from boot.consumer import NOT_CONNECTED, Heartbeat

PROGRAM = "celery-worker"


@pytest.fixture
def fact(tmp_path: Path, settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """What the worker has reported, where supervisord runs this process as its worker."""
    settings.RUNTIME_DIR = tmp_path
    monkeypatch.setenv("SUPERVISOR_PROCESS_NAME", PROGRAM)
    return lambda: heartbeat.read(tmp_path, PROGRAM)


def test_a_loop_without_events_reports_at_its_turns(fact: Callable[[], Any]) -> None:
    """Not when it connects; and what Celery does at a turn is done all the same."""
    turns: list[str] = []
    consumer = SimpleNamespace(hub=None, perform_pending_operations=lambda: turns.append("turn"))
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
        consumer = SimpleNamespace(hub=hub)
        Heartbeat(consumer).start(consumer)
        assert fact() is None
        next(hub.create_loop())
        assert fact().ready
    finally:
        hub.close()


def test_a_lost_connection_is_said_until_there_is_another(fact: Callable[[], Any]) -> None:
    """Also by timers that Celery fires from a thread while a worker drains."""
    hub = Hub()
    try:
        consumer = SimpleNamespace(hub=hub)
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
    consumer = SimpleNamespace(hub=None, perform_pending_operations=lambda: None)
    Heartbeat(consumer).start(consumer)
    consumer.perform_pending_operations()
    assert fact() is None
