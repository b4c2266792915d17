"""What the protocol is played on: a database, clients that can die, and means to hold statements up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Final

import psycopg
from sqlalchemy import Engine
from sqlalchemy.engine import URL

from apps.broker import address, sql
from apps.broker.session import Session
from tests.apps.broker.ledger import Place, Row
from tests.apps.broker.nursery import Client, Nursery
from tests.apps.broker.own_database import conninfo

QUEUES: Final = ("plain", "ranked")
MAX_PRIORITY: Final = 2  # of `ranked`
HOUR_MS: Final = 3_600_000  # so long that it passes only when the test says so
PATIENCE_S: Final = 30.0  # for what must happen; then the test fails
POLL_S: Final = 0.005

_ROW: Final = """
SELECT {place}, convert_from(body, 'UTF8')::int, queue, rank, {owner}, deaths, redelivered,
  jsonb_array_length(coalesce(history, '[]')), id FROM {table}
"""
_OWNERS: Final = {
    Place.DELAYED: "NULL::int",
    Place.READY: "NULL",
    Place.DELIVERED: "session_id",
    Place.DEAD: "NULL",
}
_ROWS: Final = " UNION ALL ".join(
    _ROW.format(place=f"'{place}'", owner=owner, table=f"broker_{place}") for place, owner in _OWNERS.items()
)

# A statement that wants to insert the same key waits until this transaction is over; nobody else sees it.
_OBSTACLES: Final = {
    Place.DELIVERED: """INSERT INTO broker_delivery (id, session_id, queue, rank, envelope, body)
      VALUES (%s, 0, %s, %s, '', '')""",
    Place.READY: "INSERT INTO broker_message (id, queue, rank, envelope, body) VALUES (%s, %s, %s, '', '')",
    Place.DEAD: "INSERT INTO broker_deadletter (id, queue, rank, envelope, body) VALUES (%s, %s, %s, '', '')",
    Place.GONE: "SELECT FROM broker_delivery WHERE (id, queue, rank) = (%s, %s, %s) FOR UPDATE",
}

_PAST: Final = "clock_timestamp() - interval '1 second' WHERE id = ANY (%(ids)s)"
_TIME: Final = f"""
WITH delayed AS (UPDATE broker_delayed SET due_at = {_PAST}),
waiting AS (UPDATE broker_message SET expires_at = {_PAST})
UPDATE broker_delivery SET expires_at = {_PAST}
"""


class Local:
    """A session of this process; the broker takes it for one of its own, whose end is the end of a worker."""

    def __init__(self, engine: Engine) -> None:
        self.session = Session(engine)
        self.id = self.session.id
        rename = "UPDATE broker_session SET client = $1::text WHERE id = $2::int"
        self.session.run(rename, f"process {self.id}", self.id)
        self.unbound = self.session.unbound
        self.transaction = self.session.transaction
        self.backend_pid = self.session.wire.backend_pid

    def run(self, statement: str, *parameters: Any) -> Any:
        return self.session.run(statement, *parameters)


class Waited(AssertionError):
    """A statement waited for another session's, which nothing of the broker's may."""


class Stage:
    """Shared by many runs; `clear` begins a new one."""

    def __init__(self, url: URL, nursery: Nursery) -> None:
        full = conninfo(url)
        self.engine = address.engine(address.parse(full))
        self._nursery = nursery
        self._observer = psycopg.connect(full, autocommit=True)
        self._obstacle = psycopg.connect(full)
        self._threads = ThreadPoolExecutor()
        self._started: list[Future[Any]] = []

    def close(self) -> None:
        self._obstacle.close()
        self._threads.shutdown()
        self._observer.close()
        self.engine.dispose()

    def clear(self) -> None:
        tables = ("message", "delayed", "delivery", "deadletter", "session", "consumer", "queue")
        self._observer.execute("; ".join(f"DELETE FROM broker_{table}" for table in tables))
        for queue in QUEUES:
            self.declare(queue)

    def declare(self, queue: str) -> None:
        limits = (MAX_PRIORITY, None, None, HOUR_MS, None) if queue == "ranked" else (None,) * 5
        session = Session(self.engine)
        session.run(sql.DECLARE_QUEUE, queue, True, False, False, "{}", None, *limits)
        session.close()

    def join(self, in_a_process: bool) -> Local | Client:
        """A new session."""
        return self._nursery.client() if in_a_process else Local(self.engine)

    # What there is

    def rows(self) -> list[tuple[Row, int]]:
        """Every message in every table at one moment, with its id."""
        return sorted((Row(*row), id_) for *row, id_ in self._observer.execute(_ROWS, prepare=True))

    def sessions(self) -> set[int]:
        return {row[0] for row in self._observer.execute("SELECT id FROM broker_session", prepare=True)}

    # Statements

    def start[T](self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        started = self._threads.submit(function, *arguments)
        self._started.append(started)
        return started

    def settle(self) -> None:
        """Let everything that was started end, so that nobody closes a connection which is in use."""
        self.let_go()
        assert not wait(self._started, PATIENCE_S).not_done, "a statement does not end"
        self._started.clear()

    def outcome[T](self, started: Future[T], backend_pid: int, idle: Iterable[int]) -> T:
        """What it returns. Raises Waited where it waits for one of the backends that are idle."""
        deadline = time.monotonic() + PATIENCE_S
        while not wait([started], POLL_S).done:
            if self._blockers(backend_pid) & set(idle):
                raise Waited("a statement waits for another session's")
            assert time.monotonic() < deadline, "a statement does not end"
        return started.result()

    def obstruct(self, place: Place, id_: int, queue: str, rank: int) -> None:
        """Hold up whoever moves this message there. `let_go` ends it."""
        self._obstacle.execute(_OBSTACLES[place], (id_, queue, rank))

    def obstruct_the_end_of(self, queue: str) -> None:
        """Hold up whoever deletes it."""
        self._obstacle.execute("SELECT FROM broker_queue WHERE name = %s FOR UPDATE", (queue,))

    def let_go(self) -> None:
        self._obstacle.rollback()

    def until_held_up(self, started: Future[Any], backend_pid: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self.obstacle_pid not in self._blockers(backend_pid):
            assert not started.done(), f"a statement passed an obstacle: {started}"
            assert time.monotonic() < deadline, "a statement does not reach an obstacle"
            wait([started], POLL_S)

    @property
    def obstacle_pid(self) -> int:
        return self._obstacle.info.backend_pid

    def _blockers(self, backend_pid: int) -> set[int]:
        row = self._observer.execute("SELECT pg_blocking_pids(%s)", (backend_pid,), prepare=True).fetchone()
        assert row is not None
        return set(row[0])

    # Ends

    def terminate(self, backend_pid: int) -> None:
        self._observer.execute("SELECT pg_terminate_backend(%s)", (backend_pid,))

    def until_gone(self, backend_pid: int) -> None:
        """Until the server's side of a connection has ended, and its locks with it."""
        deadline = time.monotonic() + PATIENCE_S
        query = "SELECT FROM pg_stat_activity WHERE pid = %s"
        while self._observer.execute(query, (backend_pid,), prepare=True).rowcount:
            assert time.monotonic() < deadline, "a backend does not end"
            time.sleep(POLL_S / 5)

    def pass_time(self, ids: list[int]) -> None:
        """Delayed messages become due, and others expire."""
        self._observer.execute(_TIME, {"ids": ids})
