"""Requests without a pause from several connections, each request's fate noted."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.system.stack import PATIENCE_S


class _OverPath(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect(str(self._path))


class Load:
    """A context manager: threads that ask for `path`, again and again, each over a new connection.

    `fates` counts what became of requests: "200", or the name of an error. A connection that is refused,
    reset or closed without an answer, a body that is too short, and an answer that takes longer than
    PATIENCE_S are errors all.
    """

    def __init__(self, address: tuple[str, int] | Path, path: str, connections: int = 4) -> None:
        self.fates: Counter[str] = Counter()
        self._address = address
        self._path = path
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._ask_on) for _ in range(connections)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    @property
    def answered(self) -> int:
        return self.fates["200"]

    @property
    def failed(self) -> dict[str, int]:
        return {fate: count for fate, count in self.fates.items() if fate != "200"}

    def wait_for(self, more: int) -> None:
        """Wait until so many more requests have met their fate."""
        goal = sum(self.fates.values()) + more
        deadline = time.monotonic() + PATIENCE_S
        while sum(self.fates.values()) < goal:
            assert time.monotonic() < deadline, (
                f"waited {PATIENCE_S:g} s in vain for {more} requests: {self.fates}"
            )
            time.sleep(0.01)

    def _ask_on(self) -> None:
        while not self._is_over.is_set():
            fate = self._ask()
            with self._lock:
                self.fates[fate] += 1
            if fate != "200":
                time.sleep(0.01)

    def _ask(self) -> str:
        where = self._address
        connection = (
            _OverPath(where)
            if isinstance(where, Path)
            else http.client.HTTPConnection(*where, timeout=PATIENCE_S)
        )
        try:
            with contextlib.closing(connection):
                connection.request("GET", self._path, headers={"Connection": "close"})
                answer = connection.getresponse()
                answer.read()  # raises IncompleteRead where it is too short
                return str(answer.status)
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
