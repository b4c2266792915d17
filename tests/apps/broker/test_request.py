"""What becomes of tasks that end whoever runs them, with real workers."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from billiard.einfo import ExceptionInfo
from celery.exceptions import Reject, WorkerLostError
from celery.worker import state
from kombu import Connection
from pytest_django import Settings

from apps.broker.models import DeadLetter, Delivery, Message
from apps.broker.request import Request
from boot.celery import app
from tests.apps.broker import probes
from tests.apps.broker.worker import Worker, lines
from tests.system.stack import wait_until

pytestmark = pytest.mark.django_db(transaction=True, available_apps=["apps.broker", "django_celery_results"])

LIMIT = 2

# Celery's types allow no option to be taken back.
overrun: Any = probes.overrun
overrun_again: Any = probes.overrun_again


@pytest.fixture(autouse=True)
def lazily(settings: Settings) -> None:
    settings.CELERY_TASK_ALWAYS_EAGER = False


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "lines"


def _worker(folder: Path) -> Worker:
    return Worker(folder, BROKER_MAX_DELIVERIES=str(LIMIT))


def _is_over() -> bool:
    return not Message.objects.exists() and not Delivery.objects.exists()


def test_a_task_that_ends_its_process_becomes_a_dead_letter(tmp_path: Path, place: Path) -> None:
    """After as many tries as it has, with what is known of each; then it has failed, and others go on."""
    ways = {"killed": "signal 9 (SIGKILL)", "left": "exitcode 3", "exited": "its process exited, with 4"}
    with _worker(tmp_path) as worker:
        results = {how: probes.end_process.delay(str(place), how) for how in ways}
        wait_until("the dead letters", lambda: DeadLetter.objects.count() == len(ways), lambda: worker.log)
        wait_until("the results", lambda: {one.state for one in results.values()} == {"FAILURE"})
        other = probes.note.delay(str(place), "alive")
        wait_until("another task", lambda: other.state == "SUCCESS")
    assert sorted(lines(place)) == sorted([*ways] * LIMIT + ["alive"])
    assert {letter.deaths for letter in DeadLetter.objects.all()} == {LIMIT}
    for how, reason in ways.items():
        assert f"given up after {LIMIT} deaths, the last: " in str(results[how].result)
        assert [reason in found for found in _reasons(results[how].id)] == [True] * LIMIT


def _reasons(task_id: str) -> list[str]:
    history: Any = DeadLetter.objects.get(envelope__contains=f'"id":"{task_id}"').history
    return [entry["reason"] for entry in history]


def test_a_task_that_kills_its_worker_becomes_a_dead_letter(tmp_path: Path, place: Path) -> None:
    """The next worker finds that the session is over, and counts; at last it records the failure."""
    result = probes.kill_worker.delay(str(place))
    for _ in range(LIMIT):
        with _worker(tmp_path) as worker:
            wait_until("its end", worker.has_ended, lambda: worker.log)
    with _worker(tmp_path) as worker:
        wait_until("the dead letter", DeadLetter.objects.exists, lambda: worker.log)
        wait_until("the result", lambda: result.state == "FAILURE", lambda: worker.log)
        other = probes.note.delay(str(place), "alive")
        wait_until("another task", lambda: other.state == "SUCCESS")
    assert lines(place) == ["killed"] * LIMIT + ["alive"]
    assert _reasons(result.id) == ["its session ended without a word"] * LIMIT


def test_what_a_task_rejects_itself_is_no_death(tmp_path: Path, place: Path) -> None:
    """However often."""
    with _worker(tmp_path) as worker:
        result = probes.reject.delay(str(place), LIMIT + 2)
        wait_until("its success", lambda: result.state == "SUCCESS", lambda: worker.log)
        wait_until("its end", _is_over)
    assert lines(place) == ["rejected"] * (LIMIT + 3)
    assert not DeadLetter.objects.exists()


def test_a_task_at_its_time_limit_has_failed_once(tmp_path: Path, place: Path) -> None:
    """Celery acknowledges it then."""
    with _worker(tmp_path) as worker:
        result = overrun.apply_async((str(place),), time_limit=1, soft_time_limit=None)
        wait_until("its failure", lambda: result.state == "FAILURE", lambda: worker.log)
        wait_until("its end", _is_over)
    assert lines(place) == ["begun"]
    assert not DeadLetter.objects.exists()


def test_a_time_limit_that_gives_the_task_back_counts_as_a_death(tmp_path: Path, place: Path) -> None:
    """With `acks_on_timeout` off it would be tried for ever."""
    with _worker(tmp_path) as worker:
        result = overrun_again.apply_async((str(place),), time_limit=1, soft_time_limit=None)
        wait_until("the dead letter", DeadLetter.objects.exists, lambda: worker.log)
        wait_until("its end", _is_over)
    assert lines(place) == ["begun"] * LIMIT
    assert set(_reasons(result.id)) == {"its process was killed at the time limit of 1 s"}


def test_a_worker_that_is_told_to_end_at_once_costs_no_death(tmp_path: Path, place: Path) -> None:
    """Its tasks go back as if they had not been begun, and run again elsewhere."""
    with _worker(tmp_path) as worker:
        probes.wait.delay(str(place))
        wait_until("its begin", lambda: lines(place), lambda: worker.log)
        worker.send_signal(signal.SIGQUIT)
        wait_until("its end", worker.has_ended, lambda: worker.log)
    message = Message.objects.get()
    assert (message.deaths, message.history, message.redelivered) == (0, None, True)


@pytest.mark.parametrize(
    ("error", "stopping", "deaths"),
    [
        (WorkerLostError("signal 9"), None, 1),
        (WorkerLostError("signal 9"), False, 1),
        (WorkerLostError("signal 9"), 0, 0),
        (WorkerLostError("signal 9"), True, 0),
        (Reject("not now", requeue=True), None, 0),
    ],
)
def test_only_an_end_that_nobody_wanted_is_a_death(
    error: Exception, stopping: int | None, deaths: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a worker stops it ends its processes itself; what it says then may be its exit status."""
    probes.end_process.delay("nowhere", "not at all")
    monkeypatch.setattr(state, "should_terminate", stopping)
    with Connection(app.conf.broker_url) as broker:
        channel: Any = broker.default_channel
        received = channel.basic_get("default")
        request = Request(
            received, app=app, task=probes.end_process, on_ack=received.ack_log_error,
            on_reject=received.reject_log_error, connection_errors=(OSError,),
        )  # fmt: skip
        request.on_failure(_info(error))
    found = Message.objects.get()
    assert (found.deaths, found.redelivered) == (deaths, True)


def _info(error: Exception) -> ExceptionInfo:
    try:
        raise error
    except Exception:
        return ExceptionInfo()
