"""The broker's tables on a PostgreSQL of a test's own: durable, on a port, and free to crash."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from tests.servers import postgres
from tests.servers.postgres import Postgres
from tests.servers.process import ROOT


@contextlib.contextmanager
def durable_broker() -> Iterator[Postgres]:
    """A server with the broker's tables and nothing else."""
    with postgres.serving() as server:
        command = [sys.executable, str(ROOT / "manage.py"), "migrate", "broker", "--verbosity", "0"]
        subprocess.run(command, env={"DATABASE_URL": server.url}, cwd=ROOT, check=True)
        yield server
