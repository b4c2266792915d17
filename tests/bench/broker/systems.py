"""What is compared: each system with its real server, started afresh in a temporary folder."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.bench.broker import ledger
from tests.bench.broker.ledger import Ledger
from tests.servers import postgres, rabbitmq, redis
from tests.servers.postgres import Postgres

ROOT: Final = Path(__file__).resolve().parents[3]
LEAST_MESSAGES: Final = 800  # or the last few, which processes do not write down, would be too many
ACTION_S: Final = 1800.0  # seconds that one action of a publisher may take


class PublisherError(Exception):
    """A publisher failed; the message is its last line, the rest a note."""


@dataclass(frozen=True)
class System:
    """One broker. `tables` is the SQL condition on pg_class and pg_namespace that finds its tables."""

    name: str
    url: str
    ledger: Ledger
    options: Mapping[str, Any] = field(default_factory=dict)
    server: Postgres | None = None
    tables: str = ""
    share: float = 1.0  # of the messages that a measurement takes: the slow ones get fewer
    polls_s: float = 0.0  # seconds between two looks of an idle worker, where it does not wait for news

    @property
    def environ(self) -> dict[str, str]:
        """Of publishers and workers."""
        database = {"DATABASE_URL": self.server.url} if self.server else {}
        return {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "LANG": "C.UTF-8",
            "DJANGO_SETTINGS_MODULE": "boot.settings",
            "BENCH_SYSTEM": self.name,
            "BENCH_URL": self.url,
            "BENCH_OPTIONS": json.dumps(dict(self.options)),
            ledger.FOLDER: str(self.ledger.folder),
            **database,
        }

    def messages(self, count: int) -> int:
        """How many this system gets where a fast one gets `count`."""
        return max(LEAST_MESSAGES, round(count * self.share))

    def begin(self, action: str, *arguments: float) -> subprocess.Popen[str]:
        """Start a publisher, and do not wait for it."""
        python = [sys.executable, "-m"]
        command = [*python, "boot.parent", *python, "tests.bench.broker.publisher", action]
        return subprocess.Popen(
            [*command, *map(json.dumps, arguments)],
            cwd=ROOT,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def publish(self, action: str, *arguments: float) -> Any:
        """What a publisher's action returns. Raises PublisherError."""
        with self.begin(action, *arguments) as publisher:
            try:
                return answer(publisher)
            finally:
                publisher.kill()

    def size(self) -> int:
        """Bytes of the broker's tables with their indexes. Raises LookupError where there are none."""
        assert self.server
        with self.server.connect() as connection:
            row = connection.execute(
                "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c"
                f" JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND ({self.tables})"
            ).fetchone()
        if row is None or row[0] is None:
            message = f"{self.name} has no tables where {self.tables}"
            raise LookupError(message)
        return int(row[0])


def answer(publisher: subprocess.Popen[str]) -> Any:
    """Wait for a publisher; what its action returned. Raises PublisherError."""
    said, complaint = publisher.communicate(timeout=ACTION_S)
    if publisher.returncode:
        error = PublisherError(complaint.strip().rpartition("\n")[2])
        error.add_note(complaint)
        raise error
    return json.loads(said)


@contextlib.contextmanager
def _ours(book: Ledger) -> Iterator[System]:
    with postgres.serving() as server:
        url = f"sqla+{server.url}"
        system = System("ours", url, book, server=server, tables=r"c.relname LIKE 'broker\_%'")
        command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(command, cwd=ROOT, env=system.environ, check=True)
        yield system


@contextlib.contextmanager
def _rabbitmq(book: Ledger) -> Iterator[System]:
    with rabbitmq.serving() as url:
        yield System("rabbitmq", url, book, {"confirm_publish": True})


@contextlib.contextmanager
def _redis(book: Ledger) -> Iterator[System]:
    with redis.serving() as url:
        yield System("redis", url, book, share=0.4)


@contextlib.contextmanager
def _kombu_sqla(book: Ledger) -> Iterator[System]:
    with postgres.serving() as server:
        tables = r"c.relname LIKE 'kombu\_%'"
        url = f"sqla+{server.url}"
        yield System("kombu-sqla", url, book, server=server, tables=tables, share=0.15, polls_s=1.0)


@contextlib.contextmanager
def _pgmq(book: Ledger) -> Iterator[System]:
    import pgmq  # an optional one: without it, the other systems are compared

    with postgres.serving() as server:
        # Not as an extension, which the wheel's server lacks, but the same SQL, from the Python package.
        with psycopg.connect(server.url) as connection:
            pgmq.install_pgmq_from_sql(conn=connection)
        url = server.url.replace("postgresql://", "pgmq://")
        options = {"init_extension": False}
        tables = "n.nspname = 'pgmq'"
        yield System("pgmq", url, book, options, server, tables, share=0.25, polls_s=1.0)


OPENERS: Final[dict[str, Callable[[Ledger], AbstractContextManager[System]]]] = {
    "ours": _ours,
    "rabbitmq": _rabbitmq,
    "redis": _redis,
    "kombu-sqla": _kombu_sqla,
    "pgmq": _pgmq,
}


@contextlib.contextmanager
def serving(name: str) -> Iterator[System]:
    """The system's server runs inside this block, with nothing in it."""
    with (
        tempfile.TemporaryDirectory(prefix="doorito-bench-") as folder,
        OPENERS[name](Ledger(Path(folder))) as it,
    ):
        yield it
