"""A database with the broker's tables alone, on the tests' own server."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from tests.servers.process import ROOT
from tests.system.databases import database


@contextlib.contextmanager
def spare_database() -> Iterator[str]:
    """Its address, `postgresql://...`."""
    with database(template="template1") as address:
        command = [sys.executable, str(ROOT / "manage.py"), "migrate", "broker", "--verbosity", "0"]
        subprocess.run(command, env={"DATABASE_URL": address}, cwd=ROOT, check=True)
        yield address
