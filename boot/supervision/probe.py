"""Asks the web server's /readyz without waiting: supervisord's loop must not stand still for an answer."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable
from typing import Final

from supervisor.medusa import asyncore_25 as asyncore

from boot import health

IN_PROGRESS: Final = (0, errno.EINPROGRESS)


class Probe:
    """One request, as a member of supervisord's poll set until it is answered; then `answer` is there."""

    def __init__(self, address: health.Address, on_answer: Callable[[], None]) -> None:
        self.answer: health.Health | None = None
        self._on_answer = on_answer
        self._deadline = time.monotonic() + health.ANSWER_S
        self._address = address
        self._received = b""
        self._is_sent = False
        self._socket = socket.socket(address.family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        asyncore.socket_map[self._socket.fileno()] = self
        status = self._socket.connect_ex(address.name)
        if status not in IN_PROGRESS:
            self._fail(status)

    def expire(self, now: float) -> None:
        """Give up where the answer is overdue; `now` is monotonic."""
        if self.answer is None and now >= self._deadline:
            self._finish(health.silent(self._address, os.strerror(errno.ETIMEDOUT)))

    # What the loop asks of what it polls.

    def readable(self) -> bool:
        return self._is_sent and self.answer is None

    def writable(self) -> bool:
        return not self._is_sent and self.answer is None

    def handle_write_event(self) -> None:
        """The connection is there, or was refused."""
        if status := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._fail(status)
            return
        self._socket.send(health.REQUEST)  # into an empty buffer: it takes all
        self._is_sent = True

    def handle_read_event(self) -> None:
        try:
            chunk = self._socket.recv(health.MOST_BYTES)
        except BlockingIOError:
            return
        self._received += chunk
        if not chunk or len(self._received) >= health.MOST_BYTES:
            self._finish(health.of_answer(self._address, self._received))

    def handle_error(self) -> None:
        """A handler has raised, which the loop reports by this call: the connection was reset, say."""
        self._fail(errno.ECONNRESET)

    def _fail(self, status: int) -> None:
        self._finish(health.silent(self._address, os.strerror(status)))

    def _finish(self, answer: health.Health) -> None:
        if self.answer is not None:  # an event of the turn in which it was given up
            return
        asyncore.socket_map.pop(self._socket.fileno(), None)
        self._socket.close()
        self.answer = answer
        self._on_answer()
