"""Who has a port."""

from __future__ import annotations

import os
import socket

import pytest

from boot import ports


def test_who_listens_is_named() -> None:
    """By its command and pid; nobody where nobody does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert ports.holder(port).endswith(f"(pid {os.getpid()})")
    assert ports.holder(port) == ""


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_ipv6() -> None:
    """Its table is another one."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        assert ports.holder(server.getsockname()[1])
