"""supervisord's options of ours."""

from __future__ import annotations

import errno
import os
import signal

import pytest

from boot.supervision.main import HANDLED, Options


def test_a_fork_that_fails_lets_signals_in_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine has no process left for now: supervisord tries again later, and hears a stop meanwhile."""

    def refuse() -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "fork", refuse)
    with pytest.raises(BlockingIOError):
        Options().fork()
    assert not set(HANDLED) & signal.pthread_sigmask(signal.SIG_BLOCK, [])
