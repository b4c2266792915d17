"""What the database server says of itself, asked in a process of its own that imports Django."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from boot import postgres, roles
from boot.doctor.deployment import Deployment
from boot.env import EX_CONFIG, Environment
from boot.places import BASE_DIR
from boot.reference import HARMLESS, HIDDEN
from boot.start import children_environment

PATIENCE_S: Final = 20.0  # seconds for all questions; a connection is given up after 5 for each address
INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")
DRIVER: Final = ("PG", "SSL_")  # how the names start of what libpq and OpenSSL read
NEEDED: Final = ("DJANGO_SETTINGS_MODULE", "DOORITO_STATE_DIR", "DOORITO_RUNTIME_DIR")


class NotAsked(Exception):
    """Nothing is known of the database; the message says why."""

    def __init__(self, message: str, mend: str = "") -> None:
        super().__init__(message)
        self.mend = mend


@dataclass(frozen=True)
class Server:
    """What a server that was asked has said; None is what it was not asked, or does not know."""

    vendor: str  # Django's word: "postgresql", "sqlite"
    reason: str | None = None  # why it cannot be used
    is_new: bool = False  # SQLite: there is no file yet
    version: int | None = None  # server_version_num, such as 160004
    is_pooled: bool = False  # a connection pooler answers in its place
    max_connections: int | None = None
    reserved: int = 0  # connections kept for superusers and for roles of pg_use_reserved_connections
    others: int = 0  # connections of other databases of that server, now
    here: int = 0  # connections of this database, now, without the doctor's own
    clock_ahead_s: float | None = None  # the database's clock less this machine's
    clock_doubt_s: float = 0.0  # half the round trip: the offset is known no better
    pending: tuple[str, ...] | None = None  # migrations that are not applied, such as "uploads.0001_initial"
    pending_reason: str | None = None  # why that could not be asked
    broker: str | None = None  # Django's name of the broker's database; None where the broker has no tables
    broker_reason: str | None = None  # why that cannot be used
    broker_lacks: str | None = None  # what it has not got of what the code needs, in words
    is_broker_shared: bool = False  # a pooler lends the server's connections to others between statements

    @classmethod
    def from_json(cls, text: str) -> Server:
        """The inverse of `json.dumps(asdict(server))`. Raises ValueError, TypeError."""
        fields: dict[str, Any] = json.loads(text)
        if fields["pending"] is not None:
            fields["pending"] = tuple(fields["pending"])
        return cls(**fields)


def ask(deployment: Deployment) -> Server:
    """Ask the database, and wait for PATIENCE_S at most. Raises NotAsked."""
    env = deployment.env
    if lacking := deployment.lacks("DATABASE_URL"):
        raise NotAsked(lacking)
    if _is_asleep(env):
        raise NotAsked("the embedded PostgreSQL runs with the stack, which is stopped", "`make run`")
    return _answer(_environment(env), secrets(env))


def _is_asleep(env: Environment) -> bool:
    """Whether the database is the embedded server, and that does not run."""
    names = ("DOORITO_EMBEDDED_POSTGRES", "DOORITO_STATE_DIR", "DOORITO_RUNTIME_DIR")
    if not all(env.typed.get(name) for name in names) or not roles.is_embedded(env.typed, env.sources):
        return False
    where = postgres.cluster(env["DOORITO_STATE_DIR"], env["DOORITO_RUNTIME_DIR"])
    return postgres.server_pid(where) is None


def _answer(environ: Mapping[str, str], hidden: Iterable[str]) -> Server:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "boot.doctor.database"],
            env=dict(environ),
            cwd=BASE_DIR,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        return Server("postgresql", reason=f"it did not answer within {PATIENCE_S:g} s")
    if done.returncode == EX_CONFIG:
        raise NotAsked("the variables must be mended first")
    try:
        server = Server.from_json(done.stdout.decode(errors="replace"))
    except (ValueError, TypeError, KeyError):
        mend = "`doorito run manage check` shows why"
        raise NotAsked("Django cannot be started with these settings", mend) from None
    return replace(
        server,
        reason=redacted(server.reason, hidden),
        broker_reason=redacted(server.broker_reason, hidden),
        pending_reason=redacted(server.pending_reason, hidden),
    )


def _environment(env: Environment) -> dict[str, str]:
    """The child's environment: what programs get; where something is wrong, what the database needs alone.

    So that a wrong port number does not keep anybody from hearing that the password is wrong as well.
    """
    if not env.problems:
        return children_environment(env)
    kept = {name: text for name, text in env.merged.items() if name in INHERITED or name.startswith(DRIVER)}
    kept |= {name: str(env[name]) for name in NEEDED if env.typed.get(name)}
    return kept | {"DATABASE_URL": str(env["DATABASE_URL"])}


def secrets(env: Environment) -> set[str]:
    """What must not be shown, whatever a driver writes into its messages."""
    has_own = env.sources.get("CELERY_BROKER_URL") != "default"  # else it holds none, or the same
    return _secrets(env, "DATABASE_URL") | (_secrets(env, "CELERY_BROKER_URL") if has_own else set())


def _secrets(env: Environment, variable: str) -> set[str]:
    url = str(env.typed.get(variable) or "")
    parts = urlsplit(url)
    password = parts.password or ""
    options = {value for key, value in parse_qsl(parts.query) if key not in HARMLESS}
    return {url, password, unquote(password), *options} - {""}


def redacted(text: str | None, hidden: Iterable[str]) -> str | None:
    """The text without what is hidden, the longest first: one may hold another."""
    for secret in sorted(hidden, key=len, reverse=True):
        text = text and text.replace(secret, HIDDEN)
    return text
