"""Whether the database can be used at all, and whether it is one that we can live with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from boot.doctor.deployment import Deployment
from boot.doctor.finding import Finding, Level, error, ok, skipped, warning
from boot.doctor.server import Server
from boot.env import VARIABLES
from boot.reference import masked

CHECK: Final = "database"
VERSION_CHECK: Final = "version"
OLDEST: Final = 16  # PostgreSQL's major version that is asked for; tests run on it
# What libpq and the server say, and what then helps; the first that matches.
MENDS: Final = {
    r"password authentication|no password supplied": "set the right user and password in DATABASE_URL",
    r"pg_hba\.conf": "allow this machine and this user in the server's pg_hba.conf",
    r"(database|role) .* does not exist": "create it on the server, or name another in DATABASE_URL",
    r"too many|connection slots": "raise max_connections of the server, or see the check `connections`",
    r"host name|resolve|not known": "mend the host in DATABASE_URL, or the name service",
    r"refused|No such file": "start the server, or mend host and port in DATABASE_URL",
    r"invalid response": "mend host and port in DATABASE_URL: what answers there is no PostgreSQL",
    r"time-?out|timed out|not answer|unreachable|No route": (
        "mend host and port in DATABASE_URL, or the firewall in between"
    ),
}


def check(deployment: Deployment, server: Server) -> Iterator[Finding]:
    address = masked(VARIABLES["DATABASE_URL"], deployment.env.texts["DATABASE_URL"])
    yield reachable(server, address)
    if not server.reason:
        yield recent(server, production=deployment.value("DJANGO_CONFIGURATION") == "Production")


def reachable(server: Server, address: str) -> Finding:
    """`address` is DATABASE_URL without its password."""
    if server.reason:
        return error(CHECK, f"{address} cannot be used: {server.reason}", mend(server.reason))
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


def mend(reason: str) -> str:
    """What helps against the reason that the driver gives."""
    for pattern, helps in MENDS.items():
        if re.search(pattern, reason, re.IGNORECASE):
            return helps
    return "mend DATABASE_URL or the server, whose log may say more"
