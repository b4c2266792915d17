"""A worker goes on, whatever becomes of its connections and of the server; nothing is lost."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

import boot.celery  # noqa: F401 - it registers the transport for sqla+postgresql
from tests.apps.broker.durable import durable_broker
from tests.servers.network import Network, network
from tests.servers.postgres import Postgres
from tests.servers.process import ROOT
from tests.system.stack import wait_until

PROCESSES = 2
# In progress when a connection is lost: what is worked on, and as many that are done and not yet told.
IN_PROGRESS = 2 * PROCESSES


class Courier:
    """A worker of the project on a server of its own, behind a network; and who sends it parcels."""

    def __init__(self, folder: Path, server: Postgres, net: Network, pool: str) -> None:
        self.server, self.net = server, net
        self.ledger = folder / "ledger"
        self.app = Celery(broker=f"sqla+{server.url}", set_as_current=False)
        self._log = folder / "log"
        command = ["celery", "-A", "boot", "worker", "-l", "info", "-P", pool, "-c", str(PROCESSES)]
        environ = {
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "tests.apps.broker.courier_settings",
            "DATABASE_URL": net.url,
            "CELERY_TASK_ALWAYS_EAGER": "false",
        }
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command], cwd=ROOT, env=environ, stdout=log, stderr=log
            )

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def delivered(self) -> Counter[str]:
        """How often each parcel was."""
        return Counter(self.ledger.read_text().split("\n")[:-1] if self.ledger.exists() else [])

    def send(self, task: str, *arguments: Any) -> None:
        """Try for as long as it takes: the server may be on its way."""
        patience = {"max_retries": 600, "interval_start": 0.1, "interval_step": 0, "interval_max": 0.1}
        given = [str(self.ledger), *arguments]
        self.app.send_task(f"courier.{task}", given, queue="default", retry=True, retry_policy=patience)

    def wait_for(self, *parcels: str) -> None:
        """Until all have been delivered; the worker must not end meanwhile."""
        wait_until(
            "all parcels", lambda: set(parcels) <= set(self.delivered) or not self.is_running, self._said
        )
        assert self.is_running, self.log

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def pids(self) -> set[int]:
        """PostgreSQL's processes that serve the worker's sessions."""
        client = f"{socket.gethostname()}:{self.process.pid}"
        query = "SELECT pid FROM broker_session JOIN pg_stat_activity ON pid = backend_pid WHERE client = %s"
        with self.server.connect() as connection:
            sessions = "broker_session JOIN pg_stat_activity ON pid = backend_pid"
            query = f"SELECT backend_pid FROM {sessions} WHERE client = %s"
            return {int(row[0]) for row in connection.execute(query, [client]).fetchall()}

    def ask(self) -> list[Any]:
        """Who answers a ping."""
        with self.app.connection() as connection:
            return self.app.control.ping(timeout=60, limit=1, connection=connection) or []

    def _said(self) -> str:
        return self.log


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server with the broker's tables."""
    with durable_broker() as running:
        yield running


# One with an event loop of Celery's, one without.
@pytest.fixture(scope="module", params=["prefork", "gevent"])
def courier(
    server: Postgres, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Courier]:
    """One worker, which has to survive all that is done here."""
    with network(server.url) as net:
        working = Courier(tmp_path_factory.mktemp("courier"), server, net, request.param)
        try:
            working.send("deliver", "the first")
            working.wait_for("the first")
            yield working
        finally:
            working.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                working.process.wait(30)
            working.process.kill()
            working.process.wait()
            working.app.close()


def parcels(kind: str, number: int) -> list[str]:
    return [f"{kind}-{nr}" for nr in range(number)]


def assert_little_was_done_twice(courier: Courier, expected: list[str]) -> None:
    again = sum(courier.delivered[parcel] - 1 for parcel in expected)
    assert again <= IN_PROGRESS


@pytest.mark.parametrize("mode", ["immediate", "fast"])
def test_a_restart_of_the_server_loses_nothing(courier: Courier, mode: str) -> None:
    """A crash, or an orderly one: with tasks waiting, at work, and sent while it is away."""
    before, after = parcels(f"before-{mode}", 30), parcels(f"after-{mode}", 30)
    for parcel in before:
        courier.send("deliver", parcel, 0.02)
    courier.wait_for(before[4])
    courier.server.restart(mode)
    for parcel in after:
        courier.send("deliver", parcel)
    courier.wait_for(*before, *after)
    assert_little_was_done_twice(courier, before + after)


def test_a_connection_that_is_terminated_is_made_again(courier: Courier) -> None:
    """All that the worker has, as an administrator or a failover would."""
    sent = parcels("terminated", 30)
    for parcel in sent:
        courier.send("deliver", parcel, 0.02)
    courier.wait_for(sent[4])
    pids = courier.pids()
    with courier.server.connect() as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s) AS pid", [list(pids)])
    courier.wait_for(*sent)
    assert_little_was_done_twice(courier, sent)
    assert pids
    assert not pids & courier.pids()


def test_what_the_network_has_cut_is_taken_over_by_the_same_worker(courier: Courier) -> None:
    """The server believes in the old session, which has the mailbox and messages; the worker ends it."""
    sent = parcels("cut", 30)
    for parcel in sent:
        courier.send("deliver", parcel, 0.02)
    courier.wait_for(sent[4])
    pids = courier.pids()
    courier.net.cut_clients_off()
    courier.wait_for(*sent)
    assert_little_was_done_twice(courier, sent)
    wait_until("the old sessions' end", lambda: not pids & courier.pids())
    assert len(courier.ask()) == 1


def test_a_transaction_that_idles_too_long_ends_alone(courier: Courier) -> None:
    """What was sent in it does not exist; the worker goes on."""
    with courier.server.connect() as connection:
        connection.execute("ALTER ROLE doorito SET idle_in_transaction_session_timeout = 100")
    try:
        courier.server.restart("fast")
        courier.send("dawdle", "never")
        courier.wait_for("dawdling")
        courier.send("deliver", "afterwards")
        courier.wait_for("afterwards")
        wait_until("its failure", lambda: "idle-in-transaction timeout" in courier.log, lambda: courier.log)
    finally:
        with courier.server.connect() as connection:
            connection.execute("ALTER ROLE doorito RESET idle_in_transaction_session_timeout")
    courier.send("deliver", "at last")
    courier.wait_for("at last")
    assert "never" not in courier.delivered
