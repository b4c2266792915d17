"""gunicorn's configuration of ours, with a stop at the worst moment: a new worker has no handlers yet."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from boot.gunicorn import *  # noqa: F403 - as gunicorn itself reads it

HANDLED_S = 2.0  # seconds: the master wakes up at once, and tells its workers


def post_fork(server: Any, worker: Any) -> None:
    """Tell the master, and be slow."""
    os.kill(server.pid, signal.SIGTERM)
    time.sleep(HANDLED_S)
