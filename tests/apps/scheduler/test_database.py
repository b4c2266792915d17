"""Beat's schedule in the database."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from apps.scheduler.database import WaitingScheduler

# Beat commits, and closes connections that look old: it cannot run inside a test's transaction.
pytestmark = pytest.mark.django_db(transaction=True)
NAME = "nightly"


class Beat(Protocol):
    def every(self, interval: timedelta) -> None: ...

    def start(self) -> WaitingScheduler: ...


def row() -> PeriodicTask:
    return PeriodicTask.objects.get(name=NAME)


# What beat installs


def test_a_start_installs_the_schedule_of_the_settings(beat: Beat) -> None:
    """The row has the task, the queue and the interval."""
    schedule = beat.start().schedule
    assert (row().task, row().queue, row().enabled) == ("celery.backend_cleanup", "default", True)
    assert row().schedule.run_every == timedelta(hours=6)
    assert schedule[NAME].schedule.run_every == timedelta(hours=6)
    assert "celery.backend_cleanup" in schedule


def test_a_changed_interval_updates_the_row_at_the_next_start(beat: Beat) -> None:
    """One row, whose past runs are kept."""
    beat.start()
    PeriodicTask.objects.filter(name=NAME).update(total_run_count=7)
    beat.every(timedelta(minutes=30))
    scheduler = beat.start()
    assert row().schedule.run_every == timedelta(minutes=30)
    assert row().total_run_count == 7
    assert scheduler.schedule[NAME].schedule.run_every == timedelta(minutes=30)


def _another_interval(task: PeriodicTask) -> None:
    task.interval = IntervalSchedule.objects.create(every=1, period=IntervalSchedule.DAYS)


def _a_crontab(task: PeriodicTask) -> None:
    task.interval, task.crontab = None, CrontabSchedule.objects.create(minute="1")


def _in_columns(**columns: Any) -> Callable[[PeriodicTask], None]:
    def change(task: PeriodicTask) -> None:
        for name, value in columns.items():
            setattr(task, name, value)

    return change


@pytest.mark.parametrize(
    "change",
    [
        _another_interval,
        _a_crontab,
        _in_columns(task="something.else"),
        _in_columns(queue="high", priority=3),
        _in_columns(enabled=False),
        _in_columns(one_off=True),
        _in_columns(start_time=timezone.now() + timedelta(days=365)),
        _in_columns(expires=timezone.now() - timedelta(days=1)),
        _in_columns(args="[1]", kwargs='{"a": 1}'),
    ],
)
def test_a_row_changed_by_hand_is_put_back_at_the_next_start(
    change: Callable[[PeriodicTask], None], beat: Beat
) -> None:
    """Whatever was written into the database: the clean-up runs as the settings say."""
    fields = ["task", "interval_id", "crontab_id", "queue", "priority", "enabled", "one_off", "start_time"]
    fields += ["expires", "args", "kwargs"]
    beat.start()
    before = [getattr(row(), field) for field in fields]
    task = row()
    change(task)
    PeriodicTask.objects.filter(pk=task.pk).update(**{field: getattr(task, field) for field in fields})
    assert [getattr(row(), field) for field in fields] != before
    scheduler = beat.start()
    assert [getattr(row(), field) for field in fields] == before
    assert NAME in scheduler.schedule


def test_rows_that_no_variable_owns_stay_as_they_are(beat: Beat) -> None:
    """What an administrator switched off stays off."""
    interval = IntervalSchedule.objects.create(every=5, period=IntervalSchedule.MINUTES)
    PeriodicTask.objects.create(name="mine", task="a.b", interval=interval, enabled=False, one_off=True)
    beat.start()
    mine = PeriodicTask.objects.get(name="mine")
    assert (mine.enabled, mine.one_off, mine.interval) == (False, True, interval)


# A database that is away


def move_away(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make Django look for PostgreSQL in a folder where no server listens."""
    connection.close()
    options = connection.settings_dict.get("OPTIONS", {})
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {**options, "host": str(folder)})


def test_a_start_waits_for_a_database_that_is_away(
    beat: Beat, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It asks once a second, says so, and installs the schedule once the real one answers."""
    away = pytest.MonkeyPatch()
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            away.undo()

    monkeypatch.setattr(time, "sleep", sleep)
    move_away(away, tmp_path)
    try:
        scheduler = beat.start()
    finally:
        away.undo()
    assert naps == [1.0, 1.0, 1.0]
    assert caplog.text.count("the database does not answer, trying again soon") == 3
    assert NAME in scheduler.schedule
    assert row().enabled


def test_a_database_that_goes_away_later_leaves_the_schedule_as_it_was(
    beat: Beat, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Beat's full reading every five minutes keeps the last one, instead of ending beat."""
    scheduler = beat.start()
    before = scheduler.schedule
    with monkeypatch.context() as away:
        move_away(away, tmp_path)
        assert scheduler.all_as_schedule() == before
    connection.close()
    IntervalSchedule.objects.all().delete()
    assert NAME not in scheduler.all_as_schedule()


def test_a_database_that_is_away_is_one_line_of_the_log_at_each_look(
    beat: Beat, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Beat looks for changes every few seconds: no traceback each time."""
    scheduler = beat.start()
    with monkeypatch.context() as away:
        move_away(away, tmp_path)
        assert not scheduler.schedule_changed()
    connection.close()
    assert caplog.text.count("the database does not answer") == 1
    assert "Traceback" not in caplog.text


def test_a_schedule_that_was_never_read_is_not_made_up(
    beat: Beat, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without anything to keep, the error is beat's to see."""
    scheduler = beat.start()
    scheduler._schedule = None
    with monkeypatch.context() as away:
        move_away(away, tmp_path)
        with pytest.raises(OperationalError):
            scheduler.all_as_schedule()
    connection.close()


def test_a_beat_that_waits_for_its_database_stops_when_told_to() -> None:
    """TERM ends it at once, though beat's own handler would save a schedule that is not there yet."""
    beat = subprocess.Popen(
        [sys.executable, "-m", "boot.celery_program", "beat", "--pidfile="],
        env={**os.environ, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert beat.stderr
    for line in beat.stderr:
        if "the database does not answer" in line:
            break
    beat.terminate()
    beat.communicate(timeout=30)
    assert beat.returncode == 0
