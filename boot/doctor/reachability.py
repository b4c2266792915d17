"""Whether the database can be used at all, and whether it is one that we can live with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from boot.doctor.deployment import Deployment
from boot.doctor.finding import Finding, Level, error, ok, skipped, warning
from boot.doctor.server import Server
from boot.env import VARIABLES
from boot.reference import masked
from boot.refusals import understand

CHECK: Final = "database"
VERSION_CHECK: Final = "version"
OLDEST: Final = 16  # PostgreSQL's major version that is asked for; tests run on it


def check(deployment: Deployment, server: Server) -> Iterator[Finding]:
    address = masked(VARIABLES["DATABASE_URL"], deployment.env.texts["DATABASE_URL"])
    yield reachable(server, address)
    if not server.reason:
        yield recent(server, production=deployment.value("DJANGO_CONFIGURATION") == "Production")


def reachable(server: Server, address: str) -> Finding:
    """`address` is DATABASE_URL without its password."""
    if server.reason:
        return error(CHECK, f"{address} cannot be used: {server.reason}", understand(server.reason).mend)
    if server.is_new:
        return warning(CHECK, f"{address} is no file yet", "`doorito run manage migrate` makes it")
    if server.is_pooled:
        return warning(
            CHECK,
            f"{address} answers through a connection pooler",
            "have it pool by session: the lock of a migration, and others, belong to a session",
        )
    return ok(CHECK, f"{address} answers")


def recent(server: Server, production: bool) -> Finding:
    """PostgreSQL's version; an older one is an error in production only."""
    if server.version is None:
        return skipped(VERSION_CHECK, "SQLite is for development; production needs PostgreSQL")
    major, minor = divmod(server.version, 10_000)
    if major >= OLDEST:
        return ok(VERSION_CHECK, f"PostgreSQL {major}.{minor}")
    return Finding(
        VERSION_CHECK,
        Level.ERROR if production else Level.WARNING,
        f"PostgreSQL {major}.{minor} is older than {OLDEST}, the oldest that is supported",
        f"upgrade the server to PostgreSQL {OLDEST} or newer",
    )
