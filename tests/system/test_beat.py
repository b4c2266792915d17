"""Beat is told to stop while it waits for the database."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest

from boot import env
from tests.system.stack import PATIENCE_S, ROOT, wait_until

pytestmark = pytest.mark.system

COMMAND: Final = (sys.executable, "-m", "boot.celery_program", "beat", "--pidfile=")
LOCKED: Final = (
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.fixture
def held(database_url: str) -> Iterator[psycopg.Connection]:
    """A session whose locks beat has to wait for, until it commits."""
    with psycopg.connect(database_url) as connection:
        yield connection


class Beat:
    """Beat by itself, and what it says."""

    def __init__(self, database_url: str, log: Path, **environ: str) -> None:
        self._url, self._log = database_url, log
        clean = {name: text for name, text in os.environ.items() if name not in env.VARIABLES}
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                COMMAND,
                cwd=ROOT,
                env={**clean, "DATABASE_URL": database_url, **environ},
                stdout=output,
                stderr=output,
            )

    def log(self) -> str:
        return self._log.read_text()

    def wait_until_it_waits(self) -> None:
        """Until a session waits for a lock. Each look is a session, as one sees the same all along."""

        def waits() -> bool:
            with psycopg.connect(self._url) as connection:
                return connection.execute(LOCKED).fetchone() is not None

        wait_until("beat to wait", waits, self.log)

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Its exit status, once it has ended."""
        return self._process.wait(PATIENCE_S)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def beat(database_url: str, tmp_path: Path) -> Iterator[Beat]:
    """A beat that has not done anything yet."""
    beat = Beat(database_url, tmp_path / "log")
    yield beat
    beat.kill()


def test_a_stop_during_a_query_of_its_loop_ends_it(held: psycopg.Connection, beat: Beat) -> None:
    """Once the query has ended, and with status 0."""
    wait_until("its loop", lambda: "Schedule changed" in beat.log(), beat.log)
    held.execute("LOCK TABLE django_celery_beat_periodictasks")  # asked in every turn
    beat.wait_until_it_waits()
    beat.terminate()
    held.commit()
    assert beat.wait() == 0, beat.log()
    assert "Traceback" not in beat.log()


def test_a_stop_while_the_schedule_is_made_is_obeyed_at_once(held: psycopg.Connection, beat: Beat) -> None:
    """Nothing is to be saved. Celery's own handler would ask on the same connection, and wait for itself."""
    held.execute("LOCK TABLE django_celery_beat_periodictask")
    beat.wait_until_it_waits()
    beat.terminate()
    assert beat.wait() == 0, beat.log()
    assert "Traceback" not in beat.log()


def test_a_stop_while_the_broker_is_away_is_obeyed_at_once(database_url: str, tmp_path: Path) -> None:
    """Beat tries again a hundred times; a stop is not to wait for that."""
    away = {"CELERY_BROKER_URL": "amqp://127.0.0.1:1//", "CLEANUP_UPLOADS_INTERVAL_HOURS": "0.0006"}
    beat = Beat(database_url, tmp_path / "log", **away)
    try:
        wait_until("it to try again", lambda: beat.log().count("Trying again in") > 2, beat.log)
        beat.terminate()
        assert beat.wait() == 0, beat.log()
    finally:
        beat.kill()
