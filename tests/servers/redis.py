"""A Redis of one's own, from Debian's package."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.ports import ADDRESS, free_ports
from tests.servers.process import ServerError, listens, running

PROGRAM: Final = "redis-server"
# As durable as the other brokers: each write is on the disk before it is answered.
DURABLE: Final = {"appendonly": "yes", "appendfsync": "always"}


def is_installed() -> bool:
    """Whether Debian's package redis-server is there."""
    return shutil.which(PROGRAM) is not None


@contextlib.contextmanager
def serving(settings: Mapping[str, str] = DURABLE) -> Iterator[str]:
    """A server runs inside this block; its URL, `redis://...`. `settings` as in redis.conf.

    Raises ServerError.
    """
    if not is_installed():
        message = "Redis is not installed; run `apt install redis-server`"
        raise ServerError(message)
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="doorito-redis-") as folder:
        own = {"bind": ADDRESS, "port": str(port), "dir": folder, "save": ""}
        options = [part for name, value in (own | {**settings}).items() for part in (f"--{name}", value)]
        with running([PROGRAM, *options], Path(folder, "redis.log"), {}) as server:
            server.wait_until(lambda: listens(port))
            yield f"redis://{ADDRESS}:{port}/0"
