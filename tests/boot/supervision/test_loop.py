"""The pipe that wakes supervisord's loop."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from supervisor import events
from supervisor.medusa import asyncore_25 as asyncore

from boot.places import BASE_DIR
from boot.supervision.loop import Waker


@pytest.fixture
def waker() -> Iterator[Waker]:
    """One that has joined the loop, and leaves no trace."""
    installed = Waker(lambda: None)
    installed.install()
    yield installed
    installed.close()
    events.clear()


def _has_turn(waker: Waker) -> bool:
    (descriptor,) = [number for number, member in asyncore.socket_map.items() if member is waker]
    return bool(select.select([descriptor], [], [], 0)[0])


def test_waking_ends_the_poll_once(waker: Waker) -> None:
    """However often it is woken, one turn takes it all."""
    assert not _has_turn(waker)
    waker.wake()
    waker.wake()
    assert _has_turn(waker)
    waker.handle_read_event()
    assert not _has_turn(waker)


def test_a_full_pipe_does_not_block(waker: Waker) -> None:
    """It is awake anyway."""
    for _ in range(200_000):
        waker.wake()
    assert _has_turn(waker)


def test_a_signal_wakes_it(waker: Waker) -> None:
    """Python alone would go on polling."""
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert _has_turn(waker)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_it_leaves_nothing_behind() -> None:
    """After close neither the map nor Python's wake-up descriptor knows it."""
    before = dict(asyncore.socket_map)
    waker = Waker(lambda: None)
    waker.install()
    waker.close()
    events.clear()
    assert asyncore.socket_map == before
    assert signal.set_wakeup_fd(-1) == -1


def test_supervisords_process_loads_neither_django_nor_a_database_driver() -> None:
    """It stays small."""
    script = (
        "import sys, boot.supervision.main, boot.supervision.plugin\n"
        "print({'django', 'environs', 'celery', 'psycopg', 'sqlalchemy'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=BASE_DIR, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
