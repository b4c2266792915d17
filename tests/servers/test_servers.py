"""Servers that tests start: they serve, and nothing of them stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from kombu import Connection

from tests.servers import process, rabbitmq, redis
from tests.system.stack import wait_until

Serving = Callable[[], AbstractContextManager[str]]
OWNER = """
import time
from tests.servers import redis
with redis.serving() as url:
    print(url, flush=True)
    time.sleep(60)
"""
SERVERS = pytest.mark.parametrize("serving", [rabbitmq.serving, redis.serving])


def port_of(url: str) -> int:
    """The port in a URL."""
    port = urlsplit(url).port
    assert port
    return port


@SERVERS
def test_it_carries_a_message_and_is_gone_after_a_failure(serving: Serving) -> None:
    """The real server, which ends although the block inside which it ran failed."""
    urls: list[str] = []
    with pytest.raises(ZeroDivisionError):
        use_and_fail(serving, urls)
    assert not process.listens(port_of(urls[0]))


def use_and_fail(serving: Serving, urls: list[str]) -> None:
    """Send and receive one message, and raise ZeroDivisionError."""
    with serving() as url, Connection(url) as connection:
        urls.append(url)
        queue = connection.SimpleQueue("parcels")
        queue.put({"weight": 3})
        message = queue.get(timeout=60)
        assert message.payload == {"weight": 3}
        message.ack()
        queue.close()
        raise ZeroDivisionError


def test_it_ends_with_a_killed_owner(tmp_path: Path) -> None:
    """The kernel ends the server of a process that could not do so itself."""
    command = [sys.executable, "-c", OWNER]
    environ = {**os.environ, "TMPDIR": str(tmp_path)}  # nobody is left to remove the server's folder
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=process.ROOT, env=environ) as owner:
        assert owner.stdout
        port = port_of(owner.stdout.readline().strip())
        owner.send_signal(signal.SIGKILL)
    wait_until("the server's end", lambda: not process.listens(port))


def test_what_does_not_start_says_why(tmp_path: Path) -> None:
    """The last words of a server are in the error."""
    command = [redis.PROGRAM, "--port", "no number"]
    reason = pytest.raises(process.ServerError, match="no number")
    with process.running(command, tmp_path / "log", {}) as server, reason:
        server.wait_until(lambda: False)
