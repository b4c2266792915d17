"""A real worker on the tests' database."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from django.db import connection

from tests.system.stack import ROOT, wait_until


class Worker:
    """Runs inside its block and is killed with all its processes at the end; `log` is what it has said."""

    def __init__(self, folder: Path, concurrency: int = 2, **environ: str) -> None:
        self._output = folder / f"worker-{len(list(folder.glob('worker-*')))}.log"
        self._command = ["-A", "boot", "worker", "-l", "INFO", "-c", str(concurrency), "--without-mingle"]
        self._environ = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.apps.broker.worker_settings",
            "DATABASE_URL": _database_url(),
            "CELERY_TASK_ALWAYS_EAGER": "false",
            **environ,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return self._output.read_text(errors="replace")

    def __enter__(self) -> Self:
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "celery", *self._command],
                cwd=ROOT,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            wait_until("the worker", lambda: " ready." in self.log, lambda: self.log)
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            print(self.log)
        self.kill()

    def send_signal(self, number: signal.Signals) -> None:
        """To the worker itself, not to its processes."""
        assert self._process
        self._process.send_signal(number)

    def has_ended(self) -> bool:
        assert self._process
        return self._process.poll() is not None

    def kill(self) -> None:
        """Kill all of its processes; those whose worker is gone as well."""
        assert self._process
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _database_url() -> str:
    given = connection.settings_dict
    return f"postgresql://{given['USER']}@/{given['NAME']}?host={given['OPTIONS']['host']}"


def lines(path: Path) -> list[str]:
    """What tasks have left in a file."""
    return path.read_text().splitlines() if path.exists() else []
