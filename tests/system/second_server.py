"""A server unlike the tests' own: PostgreSQL 18, on a port, with passwords."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from boot import postgres
from tests.system.stack import free_port, wait_until

OWNER = "shop owner"
PASSWORD = "p @:/?#[]%&=+'\"\\ ü$(id)`"  # whatever a password may hold
DATABASE = "shop"


@dataclass(frozen=True)
class Server:
    """It knows a superuser, who comes through the socket, and OWNER, who owns DATABASE."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        """OWNER's DATABASE_URL."""
        return self.url_with(PASSWORD)

    def url_with(self, password: str) -> str:
        user, secret = quote(OWNER), quote(password, safe="")
        return f"postgresql://{user}:{secret}@127.0.0.1:{self.port}/{DATABASE}?sslmode=prefer"

    def connect(self, database: str = DATABASE) -> psycopg.Connection[Any]:
        """The superuser's session."""
        return psycopg.connect(
            host=str(self.folder), port=self.port, user="super", dbname=database, autocommit=True
        )

    @contextlib.contextmanager
    def database(self, template: str) -> Iterator[None]:
        """DATABASE is there inside this block: a copy of another."""
        with self.connect("postgres") as connection:
            names = [sql.Identifier(name) for name in (DATABASE, template, OWNER)]
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(*names))
        try:
            yield
        finally:
            with self.connect("postgres") as connection:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(names[0]))

    def rename(self, to: str) -> None:
        """Keep DATABASE under another name."""
        with self.connect("postgres") as connection:
            names = sql.Identifier(DATABASE), sql.Identifier(to)
            connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*names))


@contextlib.contextmanager
def second_server() -> Iterator[Server]:
    """It runs inside this block."""
    folder = Path(tempfile.mkdtemp(prefix="doorito-18-"))
    spec = importlib.util.find_spec(postgres.WHEEL)
    assert spec
    assert spec.origin
    packages = Path(spec.origin).parent.parent
    if os.getuid() == 0:  # its user may be unable to enter the checkout
        folder.chmod(0o755)
        for name in (f"{postgres.WHEEL}/pginstall18", f"{postgres.WHEEL}.libs"):
            shutil.copytree(packages / name, folder / name, symlinks=True)
        packages = folder
    try:
        yield from _run(folder, packages / postgres.WHEEL / "pginstall18/bin")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(folder: Path, programs: Path) -> Iterator[Server]:
    credentials = postgres._credentials()
    home = folder / "home"
    home.mkdir(mode=0o700)
    if credentials:
        os.chown(home, credentials["user"], credentials["group"])
    options = ["--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync", "-U", "super", "-E", "UTF8"]
    command: list[str | Path] = [programs / "initdb", "-D", home / "data", "--locale=C.UTF-8", *options]
    subprocess.run(command, env=postgres.ENVIRONMENT, cwd="/", check=True, capture_output=True, **credentials)
    server = Server(home, free_port())
    command = [
        programs / "postgres",
        "-D",
        home / "data",
        "-p",
        str(server.port),
        "-k",
        home,
        "-c",
        "fsync=off",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=postgres.ENVIRONMENT,
            cwd="/",
            stdout=log,
            stderr=log,
            start_new_session=True,
            **credentials,
        )
    try:
        wait_until("the second server", lambda: _is_made(server), (folder / "log").read_text)
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def _is_made(server: Server) -> bool:
    """Make OWNER and DATABASE as soon as the server answers."""
    with contextlib.suppress(psycopg.OperationalError):
        with server.connect("postgres") as connection:
            owner, database = sql.Identifier(OWNER), sql.Identifier(DATABASE)
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(owner, sql.Literal(PASSWORD))
            )
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, owner))
        return True
    return False
