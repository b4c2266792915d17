"""The connection budget: how many the programs may open, against how many the server gives.

Each thread of a web process and each process of the worker keeps one connection of Django's. Where the
broker is in the same server, each that publishes keeps one of the broker's as well, also for what it sends
within Django's transactions; and the worker's main process keeps three: it consumes through one, tells its
events through another, and has asked other workers through the third. Measured under load, it is at most as
summed here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from boot import roles
from boot.doctor.deployment import Deployment
from boot.doctor.finding import Finding, error, ok, skipped, warning
from boot.doctor.server import Server

CHECK: Final = "connections"
WARNING_SHARE: Final = 0.8  # of what the server gives: the rest is for `manage` commands, backups, psql
PUBLISHERS: Final = 10  # of one process at a time: Celery's broker_pool_limit
MAIN: Final = 3  # the broker's, of the worker's main process
COUNTS: Final = ("WEB_WORKERS", "WEB_THREADS", "CELERY_CONCURRENCY", "CELERY_WORKERS")
LOWER: Final = {"web": "WEB_WORKERS or WEB_THREADS", "celery-worker": "CELERY_CONCURRENCY"}


@dataclass(frozen=True)
class Need:
    """How many connections a program may open, and how that is reckoned."""

    program: str
    connections: int
    reckoning: str


def check(deployment: Deployment, server: Server) -> Finding:
    if server.max_connections is None:
        return skipped(CHECK, "SQLite has no limit of them")
    if server.is_pooled:
        return skipped(CHECK, "how many there are is the pooler's business")
    if lacking := deployment.lacks(*COUNTS, "CELERY_TASK_ALWAYS_EAGER", "DATABASE_URL", "CELERY_BROKER_URL"):
        return skipped(CHECK, lacking)
    return enough(needs(deployment.programs, deployment.env.typed), server, deployment.described)


def needs(programs: tuple[str, ...], typed: Mapping[str, Any]) -> list[Need]:
    """What each of the programs may open at the most."""
    broker = broker_is_here(typed["DATABASE_URL"], typed["CELERY_BROKER_URL"])
    threads = typed["WEB_THREADS"]
    publishers = min(threads, PUBLISHERS) if broker and not typed["CELERY_TASK_ALWAYS_EAGER"] else 0
    every = 2 if broker else 1  # of the processes that run tasks, and of beat
    main = 1 + MAIN if broker else 1
    counts = roles.processes(programs, typed)

    def need(program: str) -> Need:
        count = counts.get(program, 0)
        if program == "web":
            return Need(program, count * (threads + publishers), f"{count} x ({threads} + {publishers})")
        if count:
            return Need(program, main + count * every, f"({main} + {count} x {every})")
        return Need(program, every, "")

    return [need(program) for program in programs]


def broker_is_here(database_url: str, broker_url: str) -> bool:
    """Whether the broker's tables are in the server that DATABASE_URL names."""
    is_sql = broker_url.startswith("sqla+")
    return is_sql and _server(database_url) == _server(broker_url)


def _server(url: str) -> tuple[list[str], list[str] | None]:
    """Hosts with their ports, of which the broker's URL may have several."""
    parts = urlsplit(url)
    hosts = parts.netloc.rpartition("@")[2].lower().split(",")
    return [h if re.search(r":\d+$", h) else f"{h}:5432" for h in hosts], parse_qs(parts.query).get("host")


def enough(needed: list[Need], server: Server, who: str) -> Finding:
    """The sum against what the server gives to ordinary users, less what other databases hold now."""
    total = sum(need.connections for need in needed)
    given = (server.max_connections or 0) - server.reserved - server.others
    message = f"{_sum(needed, total)} for {who}, of {_given(server, given)}; {server.here} open now"
    others = "" if len(needed) > 1 else "; other roles take theirs as well"
    kinds = dict.fromkeys(roles.kind(need.program) for need in needed)
    lower = " and ".join(LOWER[kind] for kind in kinds if kind in LOWER)
    mend = f"raise the server's max_connections{f', or lower {lower}' if lower else ''}"
    if total > given:
        return error(CHECK, f"too many: {message}{others}", mend)
    if total > given * WARNING_SHARE:
        return warning(CHECK, f"more than {WARNING_SHARE:.0%}: {message}{others}", mend)
    return ok(CHECK, message + others)


def _sum(needed: list[Need], total: int) -> str:
    """Such as "46 = web 4 x (4 + 4) + celery-worker (4 + 4 x 2) + celery-beat 2"."""
    parts = [f"{need.program} {need.reckoning or need.connections}" for need in needed]
    return f"{total} = {' + '.join(parts)}"


def _given(server: Server, given: int) -> str:
    """Such as "97 (max_connections 100 - 3 reserved)"."""
    others = f" - {server.others} open in other databases" if server.others else ""
    return f"{given} (max_connections {server.max_connections} - {server.reserved} reserved{others})"
