"""What all systems stand on: one prepared database, one environment, the same three commands."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from boot import heartbeat, runtime
from boot.env import load
from boot.start import Start
from tests.ports import free_port
from tests.servers import postgres
from tests.system.stack import ROOT

PROGRAMS: Final = ("web", "celery-worker", "celery-beat")
PROCESSES: Final = 2  # of gunicorn, and of the pool


class Ground:
    """A folder, a port, an environment; prepared as a start prepares."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.runtime_dir = folder / "run"
        given = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "LANG": "C.UTF-8",
            "DOORITO_STATE_DIR": str(folder / "state"),
            "DOORITO_RUNTIME_DIR": str(self.runtime_dir),
            "DATABASE_URL": database_url,
            "WEB_BIND": "127.0.0.1",
            "WEB_PORT": str(self.port),
            "WEB_WORKERS": str(PROCESSES),
            "CELERY_CONCURRENCY": str(PROCESSES),
            "CELERY_TASK_ALWAYS_EAGER": "false",
            "SUPERVISE_RESTARTS": "1000",
        }
        self.start = Start("all", False, load(given))
        os.close(runtime.private(self.runtime_dir))
        self.environ: dict[str, str] = {**self.start.environ, "DOORITO_SOCKET_MODE": "0600"}
        self.command: dict[str, str] = {name: _command(name, self.environ) for name in PROGRAMS}

    def prepare(self) -> None:
        """The database and the static files, as every start finds them."""
        for command in (
            ["-m", "boot.prepare", "--migrate"],
            ["manage.py", "collectstatic", "--noinput", "-v", "0"],
        ):
            subprocess.run(
                [sys.executable, *command], cwd=ROOT, env=self.environ, check=True, capture_output=True
            )
        self.forget()

    def forget(self) -> None:
        """What programs of another system have reported."""
        for name in PROGRAMS:
            heartbeat.forget(self.runtime_dir, name)
        (self.runtime_dir / "draining").unlink(missing_ok=True)
        self.start.write_files()

    def reports(self, *names: str) -> bool:
        """Whether the programs' own loops have said that they are ready."""
        return all(heartbeat.is_ready(self.runtime_dir, name) for name in names)


def _command(name: str, environ: dict[str, str]) -> str:
    """A program's command line, as its supervisord file has it."""
    text = (ROOT / f"supervisor/programs/{name}.conf").read_text()
    (command,) = re.findall(r"^command=(.*)$", text, re.MULTILINE)
    filled: str = re.sub(r"%\(ENV_(\w+)\)s", lambda match: environ[match[1]], command)
    return filled


@contextlib.contextmanager
def prepared() -> Iterator[Ground]:
    """For as long as the block runs, with a PostgreSQL of its own."""
    folder = Path(tempfile.mkdtemp(prefix="doorito-bench-"))
    try:
        with postgres.serving() as server:
            ground = Ground(folder, server.url)
            ground.prepare()
            yield ground
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def versions() -> dict[str, Any]:
    """Of what is compared."""
    return {name: metadata.version(name) for name in ("supervisor", "honcho", "gunicorn", "celery", "django")}
