"""A PostgreSQL that survives its own crash: durable, on a TCP port, from the wheel of the embedded server."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg

from boot import postgres
from tests.ports import ADDRESS, free_ports
from tests.servers.process import Server, running

NAME: Final = "doorito"  # of the superuser and of the database
PASSWORD: Final = "secret"


class Postgres:
    """One server. Its defaults are PostgreSQL's: fsync and synchronous_commit are on."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        self._data = folder / "data"
        (self._port,) = free_ports(1)
        self._user = _user()
        self._server: Server | None = None
        self._stack = contextlib.ExitStack()

    @property
    def url(self) -> str:
        """A superuser's URL, `postgresql://...`."""
        return f"postgresql://{NAME}:{PASSWORD}@{ADDRESS}:{self._port}/{NAME}"

    def connect(self, database: str = NAME) -> psycopg.Connection[Any]:
        """A superuser's session, in autocommit."""
        return psycopg.connect(self.url, dbname=database, autocommit=True)

    def make(self) -> None:
        """Make the data and the database."""
        secret = self._data.parent / "password"
        secret.write_text(PASSWORD)
        options = ["-U", NAME, "-E", "UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256", "--pwfile", secret]
        _give(self._data.parent, secret)
        self._run("initdb", "-D", str(self._data), *map(str, options))
        self._run(
            "postgres", "--single", "-D", str(self._data), "postgres", given=f"CREATE DATABASE {NAME}\n"
        )

    def start(self) -> None:
        """Start it, and wait until it takes connections. Raises ServerError."""
        settings = [f"listen_addresses={ADDRESS}", f"port={self._port}", "unix_socket_directories="]
        options = [part for setting in settings for part in ("-c", setting)]
        command = [str(postgres.binaries() / "postgres"), "-D", str(self._data), *options]
        # SIGQUIT: killed, it would leave its shared memory behind.
        self._server = self._stack.enter_context(
            running(command, self.log, postgres.ENVIRONMENT, end=signal.SIGQUIT, user=self._user)
        )
        self._server.wait_until(self._answers)

    def restart(self, mode: str) -> None:
        """As `pg_ctl restart -m MODE` does: "immediate", which is a crash, or "fast"."""
        assert self._server
        self._server.process.send_signal({"immediate": signal.SIGQUIT, "fast": signal.SIGINT}[mode])
        self._server.process.wait()
        self.start()

    def stop(self) -> None:
        """Stop it for good."""
        self._stack.close()

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            self.connect().close()
            return True
        return False

    def _run(self, program: str, *arguments: str, given: str = "") -> None:
        command = ["setpriv", *self._user, str(postgres.binaries() / program), *arguments]
        subprocess.run(
            command,
            env=postgres.ENVIRONMENT,
            cwd="/",
            input=given,
            text=True,
            check=True,
            capture_output=True,
        )


@contextlib.contextmanager
def serving() -> Iterator[Postgres]:
    """A server with an empty database runs inside this block."""
    with tempfile.TemporaryDirectory(prefix="doorito-postgres-") as folder:
        Path(folder).chmod(0o755)
        home = Path(folder, "home")
        home.mkdir(mode=0o700)
        server = Postgres(home)
        server.make()
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _user() -> list[str]:
    """Options of setpriv(1): whom root's server runs as."""
    if not (credentials := postgres._credentials()):
        return []
    return [f"--reuid={credentials['user']}", f"--regid={credentials['group']}", "--clear-groups"]


def _give(*paths: Path) -> None:
    if credentials := postgres._credentials():
        for path in paths:
            os.chown(path, credentials["user"], credentials["group"])
