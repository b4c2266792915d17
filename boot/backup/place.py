"""What is backed up here: the database and the folder that the environment names."""

from __future__ import annotations

import contextlib
import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from boot import postgres, roles
from boot.backup import connection, tools
from boot.backup.errors import Unavailable
from boot.backup.server import Server
from boot.backup.tools import Tools
from boot.env import Environment
from boot.places import BASE_DIR


@dataclass(frozen=True)
class Place:
    """A database that answers, the programs that fit it, and MEDIA_ROOT."""

    server: Server
    tools: Tools
    media_root: Path
    environ: dict[str, str] = field(repr=False)  # of those programs; holds the password


def media_root(env: Environment) -> Path:
    """MEDIA_ROOT, through a link if it is one: another disk, most likely."""
    return Path(env["MEDIA_ROOT"]).resolve()


def environment(env: Environment) -> dict[str, str]:
    """What programs need to reach the database. Raises WrongConfiguration."""
    return connection.environment(env["DATABASE_URL"], env.merged)


@contextlib.contextmanager
def serving(env: Environment) -> Iterator[None]:
    """The embedded server runs inside this block, where it is the one that serves. Raises Unavailable."""
    if not roles.is_embedded(env.typed, env.sources):
        yield
        return
    try:
        with postgres.serving(postgres.cluster(env["DOORITO_STATE_DIR"], env["DOORITO_RUNTIME_DIR"])):
            yield
    except postgres.PostgresError as error:
        raise Unavailable(str(error)) from error


def equip(env: Environment, environ: dict[str, str], there: Server, at_least: int = 0) -> Place:
    """Find programs that fit the server and read archives of pg_dump `at_least`. Raises Unavailable."""
    found = tools.find(environ.get("PATH", os.defpath))
    chosen = tools.choose(found, there.major, there.version, at_least)
    return Place(there, chosen, media_root(env), tools.with_tls(chosen, environ))


def version() -> str | None:
    """This project's version; None where pyproject.toml did not come along."""
    try:
        text = (BASE_DIR / "pyproject.toml").read_text()
    except FileNotFoundError:
        return None
    return str(tomllib.loads(text)["project"]["version"])
