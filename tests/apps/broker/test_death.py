"""A process that holds messages dies: killed, or stopped for so long that it seems dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.apps.broker.brokers import Broker
from tests.apps.broker.client import Client, wait_until
from tests.system.stack import ROOT

Hold = Callable[[Any, int], subprocess.Popen[str]]


@pytest.fixture
def hold(broker: Broker) -> Iterator[Hold]:
    """Starts processes that hold messages of a queue, and returns when they do."""
    started: list[subprocess.Popen[str]] = []

    def hold(queue: Any, count: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.apps.broker.holder", broker.url, queue.name, str(count)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout
        assert process.stdout.readline() == "holding\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.communicate()


def test_what_a_killed_process_held_returns_in_order(client: Client, hold: Hold) -> None:
    """kill -9: at once to where it was, marked as redelivered. A child it forked changes nothing."""
    queue = client.queue()
    client.put(queue, 1, 2, 3, 4)
    process = hold(queue, 3)
    assert client.count(queue) == 1
    process.kill()
    wait_until("their return", lambda: client.count(queue) == 4)
    again = client.take(queue, 4)
    assert [message.payload for message in again] == [1, 2, 3, 4]
    assert [message.delivery_info["redelivered"] for message in again] == [True, True, True, False]


def test_what_a_killed_process_held_comes_to_who_waits(client: Client, hold: Hold) -> None:
    """A consumer that waits since before is given it without asking again."""
    queue = client.queue()
    client.put(queue, 1, 2)
    process = hold(queue, 2)
    inbox = client.inbox(queue)
    process.kill()
    assert inbox.bodies(2) == [1, 2]


def test_a_process_that_is_stopped_keeps_what_it_holds(client: Client, hold: Hold) -> None:
    """It may be slow, or its machine may be: only when it is gone do its messages return."""
    queue = client.queue()
    client.put(queue, 1)
    process = hold(queue, 1)
    os.kill(process.pid, signal.SIGSTOP)
    inbox = client.inbox(queue)
    with pytest.raises(TimeoutError):
        client.connection.drain_events(timeout=2)
    assert not inbox.messages
    process.kill()
    assert inbox.bodies(1) == [1]
