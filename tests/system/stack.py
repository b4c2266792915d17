"""A real stack, started as a user starts it: `./doorito run ROLE` with its own folders and port."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from boot import places
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0  # seconds; a loaded machine is slow, not wrong
SUPERVISORCTL = Path(sys.prefix, "bin", "supervisorctl")
READY = re.compile(r"""(?:\| |"message": ")ready: """)


def wait_until(what: str, condition: Callable[[], object], log: Callable[[], str] = str) -> None:
    """Return as soon as `condition` holds; fail, naming `what`, when it never does.

    Whoever asks by starting a process takes a core from what is waited for: the longer the question took, the
    longer the pause until the next.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        begun = time.monotonic()
        if condition():
            return
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:g} s in vain for {what}\n{log()}"
        time.sleep(min(max(0.02, 2 * (time.monotonic() - begun)), 1.0))


class Stack:
    """One stack and its log. A context manager: whatever happens, no process outlives it."""

    email = "admin@example.com"
    password = "correct horse battery staple"

    def __init__(
        self,
        role: str | None = "all",
        *,
        options: Sequence[str] = (),
        root: Path = ROOT,
        environ: Mapping[str, str] | None = None,
        embedded: bool = True,
        become: Sequence[str] = (),
    ) -> None:
        """`role` None stands for none given; `become` is a command that runs another as somebody else."""
        self.folder = Path(tempfile.mkdtemp(prefix="doorito-stack-"))
        self.state_dir = self.folder / "state"
        self.runtime_dir = self.folder / "run"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.public_url = f"http://localhost:{self.port}"  # the default of PUBLIC_URL
        self.root = root
        self.become = become
        self.arguments = [*options, *([role] if role else [])]
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "LANG": "C.UTF-8",
            "DOORITO_STATE_DIR": str(self.state_dir),
            "DOORITO_RUNTIME_DIR": str(self.runtime_dir),
            "WEB_BIND": "127.0.0.1",
            "WEB_PORT": str(self.port),
            "WEB_WORKERS": "1",
            "CELERY_CONCURRENCY": "2",
            "CELERY_TASK_ALWAYS_EAGER": "false",
            "DJANGO_SUPERUSER_EMAIL": self.email,
            "DJANGO_SUPERUSER_PASSWORD": self.password,
            "STOP_BUDGET_S": "40",
            "CELERY_TASK_TIME_LIMIT_S": "20",
            "CELERY_TASK_SOFT_TIME_LIMIT_S": "18",
            **({"DOORITO_EMBEDDED_POSTGRES": "true"} if embedded else {}),
            **(environ or {}),
        }
        self._log = self.folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_rest()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(places.postgres_home(self.state_dir), ignore_errors=True)

    @property
    def log(self) -> str:
        """All that the stack has said."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def begin(self) -> Self:
        """Start it, and do not wait."""
        with self._log.open("ab") as output:
            self._begin(output.fileno())
        return self

    def begin_into_pipe(self) -> int:
        """The same, its output in a pipe; the descriptor to read it from."""
        reader, writer = os.pipe()
        self._begin(writer)
        os.close(writer)
        return reader

    def _begin(self, output: int) -> None:
        self._process = subprocess.Popen(
            self.command("run", *self.arguments),
            env=self.environ,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def wait_until_answering(self) -> Self:
        """Wait for /readyz, where its log is not to be read."""
        return self.wait_for("an answer", lambda: self.answers("/readyz"))

    def start(self) -> Self:
        """Start it, and wait until it says that it is ready."""
        said = len(READY.findall(self.log))
        self.begin()
        return self.wait_for("its word", lambda: len(READY.findall(self.log)) > said)

    def wait_for(self, what: str, condition: Callable[[], object]) -> Self:
        """Wait until `condition` holds; fail at once, with the log, where the stack ends instead."""
        wait_until(what, lambda: condition() or self._ended(), log=lambda: self.log)
        assert not self._ended(), self.log
        return self

    def says(self, pattern: str) -> bool:
        """Whether a line of the log matches."""
        return bool(re.search(pattern, self.log, re.MULTILINE))

    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int | None:
        """Send a signal, wait for the end; the exit status (None where nothing ran)."""
        if not self._process:
            return None
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal, and do not wait."""
        assert self._process
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for the end; the exit status."""
        assert self._process
        try:
            return self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end\n{self.log}") from None

    def supervisorctl(self, *arguments: str) -> str:
        """What supervisorctl says."""
        command = self._supervisorctl(*arguments)
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/").stdout

    def begin_supervisorctl(self, *arguments: str) -> subprocess.Popen[str]:
        """The same, without waiting for it."""
        return subprocess.Popen(self._supervisorctl(*arguments), stdout=subprocess.PIPE, text=True, cwd="/")

    def _supervisorctl(self, *arguments: str) -> list[str]:
        return [str(SUPERVISORCTL), "-s", f"unix://{self.runtime_dir}/supervisor.sock", *arguments]

    def status(self) -> dict[str, str]:
        """Each program and its state, as `supervisorctl status` prints them."""
        return {name: state for name, state, *_ in map(str.split, self.supervisorctl("status").splitlines())}

    def program_pid(self, program: str) -> int:
        """The pid of a running program; 0 where it does not run."""
        match = re.search(rf"^{program}\s+\S+\s+pid (\d+)", self.supervisorctl("status"), re.MULTILINE)
        return int(match[1]) if match else 0

    def get(self, path: str) -> tuple[int, bytes]:
        """The status and the body of a GET."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()

    def doorito(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run `doorito` to its end with the stack's environment, and `given` on its standard input."""
        return subprocess.run(
            self.command(*arguments),
            env=self.environ,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            timeout=PATIENCE_S,
        )

    def command(self, *arguments: str) -> list[str]:
        """The command line of `doorito`."""
        return [*self.become, str(self.root / "doorito"), *arguments]

    def answers(self, path: str) -> bool:
        """Whether a GET is answered with status 200; not listening yet is no error."""
        try:
            return self.get(path)[0] == 200
        except OSError:
            return False

    def manage(self, code: str) -> str:
        """Run Python code in the stack's Django; what it prints."""
        done = self.doorito("run", "manage", "shell", "--no-imports", "-c", code)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def processes(self) -> list[int]:
        """The pids of all processes of this stack, found by their environment and by the server's data."""
        marker = f"DOORITO_RUNTIME_DIR={self.runtime_dir}".encode()
        data = bytes(places.postgres_home(self.state_dir) / "data")
        owned = bytes(self.state_dir / "postgres/data")
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if marker in (process / "environ").read_bytes().split(b"\0") or {data, owned} & set(
                    (process / "cmdline").read_bytes().split(b"\0")
                ):
                    found.append(int(process.name))
        return found

    def kill_rest(self) -> None:
        """Kill what runs, at once: tests of a proper stop do that themselves."""
        wait_until("the end of all processes", lambda: not self._kill())
        if self._process:
            self._process.wait()

    def _kill(self) -> list[int]:
        pids = self.processes()
        for pid in pids:
            with contextlib.suppress(OSError):
                server = Path(f"/proc/{pid}/comm").read_text().strip() == "postgres"
                # PostgreSQL gives its shared memory back: its immediate shutdown.
                os.kill(pid, signal.SIGQUIT if server else signal.SIGKILL)
        if self._process:
            self._process.poll()  # takes its status, or it would stay on as a zombie
        return pids

    def _ended(self) -> bool:
        return bool(self._process and self._process.poll() is not None)
