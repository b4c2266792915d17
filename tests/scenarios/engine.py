"""A real container engine, as its command line offers it, and containers that end with their test."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from tests.system.stack import PATIENCE_S, ROOT, wait_until

IMAGE: Final = "doorito"
POSTGRES: Final = "postgres:16-alpine"
LABEL: Final = f"doorito.tests={uuid.uuid4().hex}"  # of all that this run makes
BUILD_S: Final = 900.0  # seconds; the longest that any command takes is a build without a cache
KEY: Final = secrets.token_urlsafe(50)
PASSWORD: Final = secrets.token_urlsafe(12)


def run(
    *command: str, cwd: Path = ROOT, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with more in its environment; its status is the caller's to judge."""
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(environ or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD_S,
    )


def docker(*arguments: str) -> str:
    """What `docker ARGUMENTS` prints; fails with what it says where it fails."""
    done = run("docker", *arguments)
    assert done.returncode == 0, f"docker {' '.join(arguments)}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def inspect(what: str, name: str) -> Any:
    """What the engine knows of an image or a container, from `what` on, such as ".Config"."""
    return json.loads(docker("inspect", "--format", f"{{{{json {what}}}}}", name))


class Container:
    """One container. A context manager: it is removed with its volumes, whatever happens."""

    email = "admin@example.com"
    password = "correct horse battery staple"

    def __init__(
        self, *command: str, image: str = IMAGE, options: Sequence[str] = (), **environ: str
    ) -> None:
        self.name = f"doorito-test-{uuid.uuid4().hex[:12]}"
        settings = [part for name, text in environ.items() for part in ("--env", f"{name}={text}")]
        self._run = ["--name", self.name, "--label", LABEL, *options, *settings, image, *command]

    def __enter__(self) -> Self:
        docker("run", "--detach", *self._run)
        return self

    def __exit__(self, *_: object) -> None:
        docker("rm", "--force", "--volumes", self.name)

    @property
    def log(self) -> str:
        done = run("docker", "logs", self.name)
        return done.stdout + done.stderr

    @property
    def port(self) -> int:
        """Where the engine published the container's port 8000 on this machine."""
        return int(docker("port", self.name, "8000/tcp").splitlines()[0].rpartition(":")[2])

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def health(self) -> str:
        return str(inspect(".State.Health.Status", self.name))

    def is_running(self) -> bool:
        return bool(inspect(".State.Running", self.name))

    def execute(self, *command: str, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as `docker exec` does."""
        return run("docker", "exec", *options, self.name, *command)

    def create_superuser(self) -> None:
        """By hand, as somebody does who has set no variables for it."""
        account = {"DJANGO_SUPERUSER_EMAIL": self.email, "DJANGO_SUPERUSER_PASSWORD": self.password}
        variables = [part for name, text in account.items() for part in ("--env", f"{name}={text}")]
        command = ("doorito", "run", "manage", "createsuperuser", "--noinput")
        done = self.execute(*command, options=variables)
        assert done.returncode == 0, done.stderr

    def wait_until_ready(self) -> Self:
        """Wait for its probe, and fail at once with the log where it ends instead."""

        def ready() -> bool:
            assert self.is_running(), self.log
            return self.execute("doorito", "health").returncode == 0

        wait_until("the container to be ready", ready, lambda: self.log)
        return self

    def wait(self) -> int:
        """Its exit status, once it has ended."""
        wait_until("the container to end", lambda: not self.is_running(), lambda: self.log)
        return int(inspect(".State.ExitCode", self.name))

    def stop(self) -> int:
        """`docker stop`, with time enough; its exit status."""
        docker("stop", "--time", f"{PATIENCE_S:.0f}", self.name)
        return int(inspect(".State.ExitCode", self.name))


class Database(Container):
    """A PostgreSQL on a network of its own, with a database for each test."""

    def __init__(self) -> None:
        self.network = f"doorito-test-{uuid.uuid4().hex[:12]}"
        options = ["--network", self.network, "--network-alias", "db"]
        super().__init__(image=POSTGRES, options=options, POSTGRES_USER="doorito", POSTGRES_PASSWORD=PASSWORD)

    def __enter__(self) -> Self:
        docker("network", "create", "--label", LABEL, self.network)
        super().__enter__()
        probe = ("pg_isready", "-U", "doorito", "-h", "127.0.0.1")
        wait_until("PostgreSQL", lambda: self.execute(*probe).returncode == 0, lambda: self.log)
        return self

    def __exit__(self, *details: object) -> None:
        super().__exit__(*details)
        docker("network", "rm", self.network)

    @contextlib.contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """The address of an empty database, or of a copy, as containers on the network reach it."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield f"postgresql://doorito:{PASSWORD}@db:5432/{name}"
        self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def sql(self, statement: str, database: str = "doorito") -> str:
        """What a statement returns, a line a row."""
        done = self.execute("psql", "-U", "doorito", "-d", database, "-tAc", statement)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def container(self, *command: str, options: Sequence[str] = (), **environ: str) -> Container:
        """A container of the image on the same network, its port published on this machine."""
        published = ("--publish", "127.0.0.1::8000")
        everywhere = ("--network", self.network, *published, *options)
        needed = {"DJANGO_SECRET_KEY": KEY, "DJANGO_ALLOWED_HOSTS": "localhost"}
        return Container(*command, options=everywhere, **(needed | environ))


def is_there() -> bool:
    """Whether an engine answers."""
    try:
        return run("docker", "info").returncode == 0
    except OSError:
        return False


def is_ci() -> bool:
    return bool(os.environ.get("CI"))
