"""Whether a port is free, and who has it."""

from __future__ import annotations

import os
import socket

import pytest

from boot import ports


@pytest.mark.parametrize(
    ("listening", "asked"), [("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "0.0.0.0"), ("0.0.0.0", "127.0.0.1")]
)
def test_a_port_where_somebody_listens_is_taken(listening: str, asked: str) -> None:
    """Also where one of the two is every address; who has it is named."""
    with socket.create_server((listening, 0)) as server:
        port = server.getsockname()[1]
        assert ports.is_taken(asked, port)
        assert ports.holder(port).endswith(f"(pid {os.getpid()})")
    assert not ports.is_taken(asked, port)
    assert ports.holder(port) == ""


def test_a_closed_connection_does_not_take_the_port() -> None:
    """What lingers after a restart (TIME_WAIT) is no reason to refuse a start."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()  # the server's side closes first
    assert not ports.is_taken("127.0.0.1", port)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_ipv6() -> None:
    """An address with colons is one of IPv6."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
        assert ports.is_taken("::1", port)
        assert ports.holder(port)
    assert not ports.is_taken("::1", port)


def test_an_address_of_another_machine_is_another_matter() -> None:
    """It raises; nobody has taken anything."""
    with pytest.raises(OSError, match="Cannot assign"):
        ports.is_taken("192.0.2.1", 8000)  # TEST-NET-1, RFC 5737
