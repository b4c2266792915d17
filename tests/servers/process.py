"""A foreign server as a child: started, waited for, and ended whatever happens to whoever asked for it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.ports import ADDRESS

ROOT: Final = Path(__file__).resolve().parents[2]
START_S: Final = 60.0  # seconds; a loaded machine is slow, not wrong
POLL_S: Final = 0.02  # seconds between two looks


class ServerError(Exception):
    """A server is not installed, or did not start; the message holds its last words."""


class Server:
    """One running server process and what it has said."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    def wait_until(self, is_ready: Callable[[], bool]) -> None:
        """Return when `is_ready`. Raises ServerError where the server ends instead, or takes too long."""
        deadline = time.monotonic() + START_S
        while not is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                said = self.log.read_text(errors="replace")[-2000:]
                message = f"{self.process.args!r} did not start: {said}"
                raise ServerError(message)
            time.sleep(POLL_S)


@contextlib.contextmanager
def running(
    command: Sequence[str],
    log: Path,
    environ: Mapping[str, str],
    *,
    end: signal.Signals = signal.SIGKILL,
    user: Sequence[str] = (),
) -> Iterator[Server]:
    """The command runs inside this block, in a session of its own; `end` is sent at its end.

    SIGKILL, where the data are thrown away and nothing is gained by a slower stop. Where this process is
    killed itself, the kernel sends it. `user` are options of setpriv(1).
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            # Not preexec_fn, which Python warns of where there are threads.
            ["setpriv", "--pdeathsig", end.name.removeprefix("SIG"), *user, *command],
            cwd="/",
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **environ},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield Server(process, log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, end)
        process.wait()


def listens(port: int) -> bool:
    """Whether somebody takes connections on the port."""
    try:
        socket.create_connection((ADDRESS, port), timeout=START_S).close()
    except OSError:
        return False
    return True
