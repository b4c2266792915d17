"""Ports of this machine for servers that tests start."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Final

ADDRESS: Final = "127.0.0.1"


def free_port() -> int:
    """A port that nobody listens on."""
    return free_ports(1)[0]


def free_ports(number: int) -> list[int]:
    """Ports that nobody listens on, all different.

    Tests that run beside these, in another of pytest-xdist's processes, are given others: a port is free for
    them too until its server listens.
    """
    ours = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    ports: list[int] = []
    with contextlib.ExitStack() as probes:
        while len(ports) < number:
            probe = probes.enter_context(socket.socket())
            probe.bind((ADDRESS, 0))
            port = probe.getsockname()[1]
            # The kernel gives out every second number.
            if port // 2 % processes == ours:
                ports.append(port)
    return ports
