"""Servers unlike the tests' own: another version, on a port, with passwords or TLS."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from boot import postgres
from tests.ports import free_port
from tests.system.stack import wait_until

OWNER = "shop owner"
PASSWORD = "p @:/?#[]%&=+'\"\\ ü$(id)`"  # whatever a password may hold
DATABASE = "shop"


@dataclass(frozen=True)
class Server:
    """It knows a superuser, who comes through the socket, and OWNER, who owns DATABASE."""

    folder: Path
    port: int

    @property
    def certificate(self) -> Path:
        return self.folder / "server.crt"

    @property
    def key(self) -> Path:
        return self.folder / "server.key"

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
    """PostgreSQL 18 runs inside this block."""
    with _folder() as folder:
        spec = importlib.util.find_spec(postgres.WHEEL)
        assert spec
        assert spec.origin
        packages = Path(spec.origin).parent.parent
        if os.getuid() == 0:  # its user may be unable to enter the checkout
            for name in (f"{postgres.WHEEL}/pginstall18", f"{postgres.WHEEL}.libs"):
                shutil.copytree(packages / name, folder / name, symlinks=True)
            packages = folder
        yield from _run(folder, packages / postgres.WHEEL / "pginstall18/bin", tls=False)


@contextlib.contextmanager
def tls_server(programs: Path) -> Iterator[Server]:
    """A server that takes nothing but TLS from the network; `certificate` tells it."""
    with _folder() as folder:
        yield from _run(folder, programs, tls=True)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="doorito-second-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(folder: Path, programs: Path, tls: bool) -> Iterator[Server]:
    credentials = postgres._credentials()
    server = Server(folder / "home", free_port())
    _initialise(server.folder, programs, credentials)
    settings = [f"port={server.port}", f"unix_socket_directories={server.folder}", "fsync=off"]
    if tls:
        _make_certificate(server, credentials)
        settings += ["ssl=on", f"ssl_cert_file={server.certificate}", f"ssl_key_file={server.key}"]
        (server.folder / "data/pg_hba.conf").write_text(
            "local all all trust\nhostssl all all all scram-sha-256\n"
        )
    options = [part for setting in settings for part in ("-c", setting)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [programs / "postgres", "-D", server.folder / "data", *options],
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


def _initialise(home: Path, programs: Path, credentials: Mapping[str, Any]) -> None:
    home.mkdir(mode=0o700)
    if credentials:
        os.chown(home, credentials["user"], credentials["group"])
    options = ["--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync", "-U", "super", "-E", "UTF8"]
    command: list[str | Path] = [programs / "initdb", "-D", home / "data", "--locale=C.UTF-8", *options]
    subprocess.run(command, env=postgres.ENVIRONMENT, cwd="/", check=True, capture_output=True, **credentials)


def _make_certificate(server: Server, credentials: Mapping[str, Any]) -> None:
    """Its own authority, as which clients are told to know it."""
    files = ["-out", str(server.certificate), "-keyout", str(server.key)]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-new", "-x509", "-days", "2", "-nodes", *names, *files]
    subprocess.run(command, check=True, capture_output=True)
    server.key.chmod(0o600)
    if credentials:
        os.chown(server.key, credentials["user"], credentials["group"])


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
