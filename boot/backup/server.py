"""The server: what it is, and who uses it. Asked in a child process, since this needs psycopg."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from boot.backup.errors import Unavailable
from boot.places import BASE_DIR
from boot.refusals import understand


@dataclass(frozen=True)
class Server:
    """A database and the server that it is on."""

    major: int
    version: str
    database: str
    size: int  # bytes on the server's disk; a dump is smaller
    own_sessions: tuple[str, ...]  # other sessions of the same role: its program and address each
    other_sessions: int  # how many of other roles


def ask(environ: Mapping[str, str]) -> Server:
    """The server that the PG... variables name. Raises Unavailable."""
    done = subprocess.run(
        [sys.executable, "-m", "boot.backup.probe"],
        env={**environ, "PYTHONPATH": str(BASE_DIR)},
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    if done.returncode:
        reason = done.stderr.strip()
        raise Unavailable(f"the database does not answer: {reason}; {understand(reason).mend}")
    facts = json.loads(done.stdout)
    return Server(**{**facts, "own_sessions": tuple(facts["own_sessions"])})
