"""Client processes that can be killed. Run as a module, this forks one for each connection to its socket.

    python -m tests.apps.broker.nursery DESCRIPTOR URL

A fork costs milliseconds, a new Python half a second. It ends when its standard input does.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from apps.broker import address
from apps.broker.session import Session
from apps.broker.unbound import Unbound

_FORK: Final = "SELECT 'fork'"


class Nursery:
    """The parent's side."""

    def __init__(self, url: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="doorito-nursery-")
        self._path = str(Path(self._folder.name, "socket"))
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self._path)
            listener.listen()
            descriptor = listener.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-m", __spec__.name, str(descriptor), url],
                pass_fds=[descriptor],
                stdin=subprocess.PIPE,
                cwd=Path(__file__).parents[3],
            )

    def client(self) -> Client:
        """A new process with a session of its own."""
        line = socket.socket(socket.AF_UNIX)
        line.connect(self._path)
        return Client(Connection(line.detach()))

    def close(self) -> None:
        with self._process:  # closes its input and waits
            pass
        self._folder.cleanup()


class Client:
    """A session in another process, used like one in this."""

    transaction = Session.transaction

    def __init__(self, line: Connection[Any, Any]) -> None:
        self._line = line
        self.lock = threading.RLock()
        self.process_id, self.id, self.backend_pid = line.recv()
        self.unbound = Unbound()

    def run(self, statement: str, *parameters: Any) -> Any:
        """Raises EOFError or ConnectionError when the process is killed."""
        self._line.send((statement, parameters))
        answer = self._line.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def kill(self) -> None:
        """The process is gone when this returns, its server's side perhaps not yet."""
        descriptor = os.pidfd_open(self.process_id)
        try:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            with selectors.DefaultSelector() as selector:
                selector.register(descriptor, selectors.EVENT_READ)
                selector.select()
        finally:
            os.close(descriptor)

    def fork(self) -> None:
        """From now on it has a child, which does nothing until `hang_up`."""
        self._line.send((_FORK, ()))
        self._line.recv()

    def hang_up(self) -> None:
        self._line.close()


def main(descriptor: int, url: str) -> None:
    """Fork until nobody is left to ask for it."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    engine = address.engine(address.parse(url))
    Session(engine).close()  # what is imported late is imported now, and not by each child
    engine.dispose()
    listener = socket.socket(fileno=descriptor)
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            if any(key.fileobj is sys.stdin for key, _ in selector.select()):
                return
            line, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _serve(Connection(line.detach()), url)
                os._exit(0)
            line.close()


def _serve(line: Connection[Any, Any], url: str) -> None:
    session = Session(address.engine(address.parse(url)))
    line.send((os.getpid(), session.id, session.wire.backend_pid))
    while True:
        try:
            statement, parameters = line.recv()
        except EOFError:
            return
        if statement == _FORK and os.fork() == 0:
            line.poll(None)
            os._exit(0)
        try:
            line.send(session.run(statement, *parameters))
        except Exception as error:  # whatever it is, the test is to see it
            line.send(RuntimeError(repr(error)))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
