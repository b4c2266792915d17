"""A place of work: one application on one broker, its workers and other programs."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from amqp.exceptions import NotFound
from kombu import Queue
from kombu.exceptions import DecodeError

from tests.apps.broker.brokers import Broker
from tests.apps.broker.client import unique, wait_until
from tests.apps.broker.workers.duties import application
from tests.system.stack import ROOT

CELERY = [sys.executable, "-m", "celery", "-A", "tests.apps.broker.workers.project"]
PATIENCE_S = 30.0  # seconds; a loaded machine is slow, not wrong


class Program:
    """A process of Celery's command line and what it says."""

    def __init__(self, environ: dict[str, str], log: Path, *arguments: str) -> None:
        self._log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [*CELERY, *arguments],
                cwd=ROOT,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        """All that it has said."""
        return self._log.read_text(errors="replace")

    def wait_for(self, words: str) -> Self:
        """Wait until it says so; fail, with its log, where it ends instead."""

        def said() -> bool:
            assert self.process.poll() is None or words in self.log, self.log
            return words in self.log

        wait_until(f"{words!r}", said)
        return self

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end; the exit status."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait for its end; the exit status."""
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end\n{self.log}") from None

    def kill(self) -> None:
        """Kill it and its children at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Site:
    """A context manager: whatever happens, no process outlives it."""

    def __init__(self, broker: Broker, backend: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="doorito-workers-"))
        (self.folder / "results").mkdir()
        self.queue = unique("work")
        self.broker = broker
        self.app: Any = application(broker.url, str(self.folder), self.queue, backend)
        self._environ = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "LANG": "C.UTF-8",
            "CONFORMANCE_BROKER_URL": broker.url,
            "CONFORMANCE_FOLDER": str(self.folder),
            "CONFORMANCE_QUEUE": self.queue,
            "CONFORMANCE_BACKEND": backend,
            "FLOWER_UNAUTHENTICATED_API": "true",
        }
        self._programs: list[Program] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for program in self._programs:
            program.kill()
        if hasattr(self.app.backend, "result_consumer"):
            self.app.backend.result_consumer.stop()
        self.app.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect_at(self, port: int) -> None:
        """Programs that start from now on reach the broker at this port; this process goes straight to it."""
        self._environ["CONFORMANCE_BROKER_URL"] = self.broker.at(port)

    def begin(self, *arguments: str) -> Program:
        """Start a Celery program, and do not wait."""
        program = Program(self._environ, self.folder / f"{unique('log')}", *arguments)
        self._programs.append(program)
        return program

    def worker(self, name: str, *options: str, queue: str = "", mingles: bool = False) -> Program:
        """Start a worker called `name@site`, and do not wait. Mingling takes a second of each start."""
        common = ("-n", f"{name}@site", "-Q", queue or self.queue, "-l", "INFO")
        return self.begin("worker", *common, *([] if mingles else ["--without-mingle"]), *options)

    def celery(self, *arguments: str) -> str:
        """Run a Celery command to its end; what it printed."""
        command = [*CELERY, *arguments]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def task(self, name: str) -> Any:
        """A task by its name."""
        return self.app.tasks[name]

    def run(self, name: str, *args: Any, **options: Any) -> Any:
        """Send a task, wait for its result."""
        return self.result(self.send(name, *args, **options))

    def send(self, name: str, *args: Any, **options: Any) -> Any:
        """Send a task; its AsyncResult."""
        return self.task(name).apply_async(args, **options)

    def result(self, sent: Any) -> Any:
        """The result of a task, a chain, a group or a chord."""
        while True:
            try:
                return sent.get(timeout=PATIENCE_S, interval=0.02)
            except DecodeError:
                # Celery's results in files are not written at once; half of a large one may be read.
                time.sleep(0.02)

    def begun(self, name: str) -> list[int]:
        """The processes in which a `hold` of that name has begun, one entry a time."""
        place = self.folder / f"{name}.begun"
        return [int(line) for line in place.read_text().split()] if place.exists() else []

    def let_go(self, name: str) -> None:
        """Let the `hold` of that name end."""
        (self.folder / f"{name}.go").touch()

    @contextlib.contextmanager
    def holding(self, name: str = "", **options: Any) -> Iterator[Any]:
        """A `hold` that has begun, and ends with the block; its AsyncResult."""
        name = name or unique("hold")
        sent = self.send("hold", str(self.folder), name, **options)
        try:
            wait_until(f"{name} to begin", lambda: self.begun(name))
            yield sent
        finally:
            self.let_go(name)

    @contextlib.contextmanager
    def consuming(self, queue: str, **options: Any) -> Iterator[None]:
        """The main worker consumes from one more queue inside this block."""
        self.app.control.add_consumer(queue, destination=["main@site"], reply=True, **options)
        wait_until(f"a consumer of {queue}", lambda: self.counts(queue)[1])  # the reply comes before the deed
        try:
            yield
        finally:
            self.app.control.cancel_consumer(queue, destination=["main@site"], reply=True)

    def counts(self, queue: str = "") -> tuple[int, int]:
        """How many messages wait in a queue, and how many consumers it has; none where there is no queue."""
        with self.app.connection_for_read() as connection:
            bound: Any = Queue(queue or self.queue)(connection.default_channel)
            try:
                _, messages, consumers = bound.queue_declare(passive=True)
            except NotFound:
                return 0, 0
            return int(messages), int(consumers)

    def waiting(self, queue: str = "") -> int:
        """How many messages wait in a queue."""
        return self.counts(queue)[0]

    def inspect(self, name: str) -> Any:
        """`celery inspect` of one worker."""
        return self.app.control.inspect(destination=[f"{name}@site"], timeout=10)
