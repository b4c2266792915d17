"""On what it was measured: the machine, versions, and the terms that hold for all."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any, Final, cast

from kombu import Connection

from tests.bench.broker.systems import System
from tests.bench.broker.terms import CONCURRENCY, FLAGS, PREFETCH

PACKAGES: Final = ("celery", "kombu", "amqp", "redis", "sqlalchemy", "psycopg", "pgmq", "django")
# All at the defaults of PostgreSQL and initdb.
SETTINGS: Final = (
    "fsync",
    "synchronous_commit",
    "wal_sync_method",
    "full_page_writes",
    "autovacuum",
    "shared_buffers",
    "max_wal_size",
)
TERMS: Final = (
    f"one worker: `celery worker {' '.join(FLAGS)}`, pool prefork; mingle and heartbeats on",
    f"{CONCURRENCY} processes a worker, prefetch multiplier {PREFETCH}",
    "acks_late, reject_on_worker_lost, ignore_result, no result backend, JSON; one application for all",
    "all servers on this machine, on its disk, reached by TCP on 127.0.0.1",
    "RabbitMQ: a durable classic queue, persistent messages, publisher confirms; Debian's package",
    "Redis: appendonly yes, appendfsync always; Debian's package",
    "PostgreSQL: logged tables; fsync and synchronous_commit on; each system a server of its own",
    "one publisher, `task.delay()` in a loop; a worker is started before, and held until all is published",
    "systems alternate within each round; medians of the rounds",
)


def describe() -> dict[str, str | int]:
    """The machine."""
    return {
        "cores": os.cpu_count() or 0,
        "processor": _from("/proc/cpuinfo", "model name"),
        "memory": _from("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _from(path: str, name: str) -> str:
    with Path(path).open(encoding="utf-8") as lines:
        return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "unknown")


def versions() -> dict[str, str]:
    """Of the Python packages."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def server(system: System) -> dict[str, str]:
    """A server's version, and its settings that matter."""
    if system.server:
        return _postgres(system)
    with Connection(system.url) as connection:
        if system.url.startswith("amqp"):
            return {"version": f"RabbitMQ {connection.connection.server_properties['version']}"}
        client = cast("Any", connection.default_channel).client
        return {"version": f"Redis {client.info()['redis_version']}"}


def _postgres(system: System) -> dict[str, str]:
    assert system.server
    with system.server.connect() as connection:
        version = connection.info.parameter_status("server_version")
        values = {name: connection.execute(f"SHOW {name}").fetchone() for name in SETTINGS}
    return {"version": f"PostgreSQL {version}", **{name: row[0] for name, row in values.items() if row}}
