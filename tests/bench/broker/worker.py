"""A Celery worker of one system: started, watched, stopped or killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Self

from tests.bench.broker import ledger
from tests.bench.broker.systems import ROOT, System
from tests.bench.broker.terms import FLAGS

READY_S: Final = 120.0  # seconds
POLL_S: Final = 0.005


class Gone(Exception):
    """What was waited for did not happen."""


def wait_until(
    what: str, condition: Callable[[], object], seconds: float = READY_S, workers: Sequence[Worker] = ()
) -> None:
    """Return as soon as `condition` holds. Raises Gone after `seconds`, or where a worker ends."""
    deadline = time.monotonic() + seconds
    while not condition():
        for worker in workers:
            worker.check()
        if time.monotonic() > deadline:
            message = f"waited {seconds:g} s in vain for {what}"
            raise Gone(message)
        time.sleep(POLL_S)


class Worker:
    """One worker: its main process leads a process group, to which its children belong."""

    def __init__(self, system: System, name: str) -> None:
        self.system = system
        self.name = name
        with (system.ledger.folder / f"{name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "boot.parent", *self._command()],
                cwd=ROOT,
                env={**system.environ, ledger.WORKER: name},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _command(self) -> list[str]:
        celery = [sys.executable, "-m", "celery", "--quiet", "-A", "tests.bench.broker.application"]
        return [*celery, "worker", "--hostname", f"{self.name}@bench", *FLAGS]

    def wait_ready(self) -> Self:
        """Wait until it takes tasks."""
        wait_until(f"{self.name} of {self.system.name}: {self.log()}", self.is_ready)
        return self

    def is_ready(self) -> bool:
        """Whether it has said so. Raises Gone where it has ended."""
        self.check()
        return self.name in self.system.ledger.lines("ready")

    def check(self) -> None:
        """Raises Gone, with the end of its log, where it has ended."""
        if self.process.poll() is not None:
            error = Gone(f"a worker of {self.system.name} ended: {self.log().strip().rpartition('\n')[2]}")
            error.add_note(self.log())
            raise error

    def log(self) -> str:
        """The end of what it said."""
        return (self.system.ledger.folder / f"{self.name}.log").read_text(errors="replace")[-2000:]

    def stop(self) -> float:
        """A warm shutdown; seconds that it took."""
        begun = time.monotonic()
        self.process.terminate()
        self.process.wait(READY_S)
        return time.monotonic() - begun

    def kill(self) -> float:
        """SIGKILL to the main process and its children at once; when, on the monotonic clock."""
        at = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        wait_until("the end of its processes", lambda: not self.pids())
        return at

    def pids(self) -> list[int]:
        """Its processes that have not ended."""
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                state, _, group = path.read_text().rpartition(")")[2].split()[:3]
                if int(group) == self.process.pid and state != "Z":
                    found.append(int(path.parent.name))
        return found

    def cpu(self) -> float:
        """Seconds of CPU that all its processes have used so far, with all their threads."""
        total = 0
        for pid in self.pids():
            for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                with contextlib.suppress(OSError):
                    total += int(path.read_text().split()[0])
        return total / 1e9


@contextlib.contextmanager
def working(system: System, number: int) -> Iterator[list[Worker]]:
    """Workers run inside this block, all ready; whatever happens, none outlives it."""
    workers = []
    try:
        for index in range(number):
            workers.append(Worker(system, f"w{index}"))
        yield [worker.wait_ready() for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
