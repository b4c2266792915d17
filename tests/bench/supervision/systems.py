"""What runs the three commands: our supervisord, stock supervisord, honcho; and gunicorn alone."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from boot import listener, runtime
from boot.start import CONFIGURATION
from tests.bench.supervision.ground import PROGRAMS, Ground
from tests.ports import free_port
from tests.system.stack import PATIENCE_S, ROOT

LENT_FROM: Final = 100  # the least of the descriptors that are handed on
BIN: Final = Path(sys.prefix, "bin")
STOCK: Final = """\
[supervisord]
nodaemon=true
silent=true
logfile=/dev/null
logfile_maxbytes=0
pidfile={run}/stock.pid
[unix_http_server]
file={run}/stock.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{run}/stock.sock
"""
STOCK_PROGRAM: Final = """\
[program:{name}]
command={command}
priority={priority}
autorestart=true
startsecs=2
stopwaitsecs=30
killasgroup=true
redirect_stderr=true
stdout_logfile={run}/{name}.log
"""


class System:
    """A context manager: it runs inside the block, and nothing of it outlives that."""

    name = ""
    programs: tuple[str, ...] = PROGRAMS

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.port = ground.port
        self._process: subprocess.Popen[bytes] | None = None
        self.begun = 0.0

    def __enter__(self) -> Self:
        self.ground.forget()
        self._log = (self.ground.folder / f"{self.name}.log").open("ab")
        self.begun = time.monotonic()
        self._process = self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._log.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process
        return self._process

    def wait_until_ready(self) -> float:
        """Seconds from its exec until all three do their work, whoever says so."""
        self._wait(
            lambda: self.ground.reports(*(name for name in self.programs if name != "web")) and self.answers()
        )
        return time.monotonic() - self.begun

    def answers(self) -> bool:
        """Whether /readyz is 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/readyz")
                return connection.getresponse().status == 200
            except OSError:
                return False

    def pid(self, name: str) -> int:
        """Of a program: a child whose command line tells which it is; 0 where there is none."""
        words = {"web": b"gunicorn", "celery-worker": b"\0worker\0", "celery-beat": b"\0beat\0"}[name]
        for pid in children(self.process.pid):
            with contextlib.suppress(OSError):
                if words in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
        return 0

    def stop(self) -> float:
        """Seconds from TERM to its end."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_S)
        return time.monotonic() - begun

    def restart_web(self) -> None:
        """As somebody does by hand."""
        raise NotImplementedError

    def _begin(self) -> subprocess.Popen[bytes]:
        raise NotImplementedError

    def _run(
        self, command: list[str], held: Mapping[int, int] | None = None, **environ: str
    ) -> subprocess.Popen[bytes]:
        """`held` are descriptors that it gets: which, and as what."""
        kept = held or {}

        def keep() -> None:
            for target, descriptor in kept.items():
                os.dup2(descriptor, target)
                os.set_inheritable(target, True)

        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=self.ground.environ | environ,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            preexec_fn=keep if kept else None,
            pass_fds=[*kept],  # all others are closed after keep()
        )

    def _wait(self, condition: object) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():  # type: ignore[operator]
            if self.process.poll() is not None or time.monotonic() > deadline:
                log = (self.ground.folder / f"{self.name}.log").read_text(errors="replace")
                raise RuntimeError(f"{self.name} did not become ready\n{log[-3000:]}")
            time.sleep(0.005)


class Ours(System):
    """supervisord with the plug-in."""

    name = "doorito"

    def _begin(self) -> subprocess.Popen[bytes]:
        module = "boot.supervision.main"
        command = [sys.executable, "-m", module, str(CONFIGURATION), str(self.ground.runtime_dir)]
        lock = runtime.claim(self.ground.runtime_dir)
        try:
            with listener.bind("127.0.0.1", self.ground.port) as held:
                # Duplicates far from where they go: neither may take the other's place.
                lent = {
                    target: fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, LENT_FROM)
                    for target, descriptor in ((runtime.LOCK_FD, lock), (listener.FD, held.fileno()))
                }
                try:
                    return self._run(command, lent)
                finally:
                    for descriptor in lent.values():
                        os.close(descriptor)
        finally:
            os.close(lock)

    def restart_web(self) -> None:
        self.supervisorctl("restart", "web")

    def reload(self) -> None:
        """New code, new settings."""
        subprocess.run(
            [sys.executable, "doorito", "reload"],
            cwd=ROOT,
            env=self.ground.environ,
            check=True,
            capture_output=True,
        )

    def supervisorctl(self, *arguments: str) -> None:
        """Of its socket."""
        command = [
            str(BIN / "supervisorctl"),
            "-s",
            f"unix://{self.ground.runtime_dir}/supervisor.sock",
            *arguments,
        ]
        subprocess.run(command, cwd="/", check=True, capture_output=True)


class Stock(System):
    """supervisord as it comes, with the same commands; gunicorn makes its own socket."""

    name = "stock supervisord"

    def _begin(self) -> subprocess.Popen[bytes]:
        run = self.ground.runtime_dir
        text = STOCK.format(run=run)
        for number, name in enumerate(PROGRAMS):
            command = self.ground.command[name]
            text += STOCK_PROGRAM.format(name=name, command=command, priority=20 + 10 * number, run=run)
        path = self.ground.folder / "stock.conf"
        path.write_text(text)
        return self._run([str(BIN / "supervisord"), "-n", "-c", str(path)])

    def restart_web(self) -> None:
        command = [
            str(BIN / "supervisorctl"),
            "-s",
            f"unix://{self.ground.runtime_dir}/stock.sock",
            "restart",
            "web",
        ]
        subprocess.run(command, cwd="/", check=True, capture_output=True)


class Honcho(System):
    """The Procfile's runner: it starts, and ends all when one ends."""

    name = "honcho"

    def _begin(self) -> subprocess.Popen[bytes]:
        lines = [
            f"{name}: exec env SUPERVISOR_PROCESS_NAME={name} {self.ground.command[name]}\n"
            for name in PROGRAMS
        ]
        path = self.ground.folder / "Procfile"
        path.write_text("".join(lines))
        return self._run([str(BIN / "honcho"), "start", "-f", str(path), "-d", str(ROOT)])


class Alone(System):
    """gunicorn, by itself, on a port of its own."""

    name = "gunicorn alone"
    programs = ("web",)

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self.port = free_port()

    def _begin(self) -> subprocess.Popen[bytes]:
        command = [str(BIN / "gunicorn"), *self.ground.command["web"].split()[1:]]
        return self._run(command, WEB_PORT=str(self.port))


def children(parent: int) -> list[int]:
    """The pids of a process's children, now."""
    try:
        return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    except OSError:
        return []
