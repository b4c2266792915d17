"""PostgreSQL's client programs: which of those on this machine fit the server."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from boot.backup.errors import Unavailable
from boot.postgres import WHEEL

PROGRAMS: Final = ("pg_dump", "pg_restore", "psql")
DEBIAN: Final = Path("/usr/lib/postgresql")
# From this version on pg_restore sets transaction_timeout, which an older server refuses: a backup made with
# it could not go back to where it came from.
TRANSACTION_TIMEOUT: Final = 17


class Tools(NamedTuple):
    """The programs of one folder, all of one version."""

    folder: Path
    major: int

    def program(self, name: str) -> str:
        return str(self.folder / name)


def choose(found: Iterable[Tools], server_major: int, server_version: str, at_least: int = 0) -> Tools:
    """The oldest that fit the server and read archives of pg_dump `at_least`. Raises Unavailable.

    Of the same age, the first found.
    """
    candidates = list(found)
    fitting = [tools for tools in candidates if tools.major >= at_least and fits(tools.major, server_major)]
    if fitting:
        return min(fitting, key=lambda tools: tools.major)
    there = ", ".join(f"{tools.major} in {tools.folder}" for tools in candidates) or "none"
    wanted = max(server_major, at_least)
    message = (
        f"no pg_dump, pg_restore and psql here fit the server, PostgreSQL {server_version} (found: {there}); "
        f"install those of version {wanted}, on Debian the package postgresql-client-{wanted}"
    )
    raise Unavailable(message)


def fits(major: int, server_major: int) -> bool:
    """Whether programs of this version can dump from, and restore into, such a server."""
    return major >= server_major and (major < TRANSACTION_TIMEOUT or server_major >= TRANSACTION_TIMEOUT)


def find(path: str) -> Iterator[Tools]:
    """All on this machine: the wheel's, Debian's, then those on the PATH `path`."""
    for folder in _once(_folders(path)):
        if all(os.access(folder / name, os.X_OK) for name in PROGRAMS) and (major := _major(folder)):
            yield Tools(folder, major)


def _once(folders: Iterable[Path]) -> Iterator[Path]:
    """Each as it is called first: /bin is /usr/bin."""
    seen = set()
    for folder in folders:
        if folder.resolve() not in seen:
            seen.add(folder.resolve())
            yield folder


def _folders(path: str) -> Iterator[Path]:
    spec = importlib.util.find_spec(WHEEL)
    if spec and spec.origin:
        yield from sorted(Path(spec.origin).parent.glob("pginstall*/bin"))
    yield from sorted(DEBIAN.glob("*/bin"))
    yield from (Path(folder) for folder in path.split(os.pathsep) if folder)


def _major(folder: Path) -> int | None:
    """The version that its pg_dump says it is; None where it does not run."""
    try:
        done = subprocess.run([folder / "pg_dump", "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return None
    match = re.match(r"pg_dump \(PostgreSQL\) (\d+)", done.stdout)
    return int(match[1]) if match else None


def with_tls(tools: Tools, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with a libpq that speaks TLS, for programs whose own does not.

    The wheel's was built without; psycopg's is younger and takes its place (libpq keeps its ABI).
    A socket needs none.
    """
    host = environ.get("PGHOST", "")
    if not host or host.startswith(("/", "@")) or _speaks_tls(tools):
        return dict(environ)
    spec = importlib.util.find_spec("psycopg_binary")
    libraries = Path(spec.origin).parents[1] / "psycopg_binary.libs" if spec and spec.origin else Path()
    library = next(iter(sorted(libraries.glob("libpq-*"))), None)
    return {**environ, **({"LD_PRELOAD": str(library)} if library else {})}


def _speaks_tls(tools: Tools) -> bool:
    """Asked without a network: libpq looks at sslmode before it looks for the socket, which is none."""
    environ = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "PGHOST": "/nonexistent", "PGSSLMODE": "require"}
    command = [tools.program("psql"), "--no-psqlrc", "--no-password", "--command="]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    return "not compiled in" not in done.stderr
