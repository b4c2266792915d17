"""The web server's listening socket: bound by the start, held by supervisord, handed to gunicorn."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from boot import listener
from boot.places import BASE_DIR

# As a start does and supervisord then: binds, keeps, listens; a child is given the socket, and says so.
SCRIPT: Final = """
import os, socket, subprocess, sys
from boot import listener

bound = listener.bind(sys.argv[1], 0)
name = bound.getsockname()
listener.keep(bound)
listener.listen(5)
if not os.fork():
    environ = listener.hand_over({"KEPT": "1"})
    got = socket.socket(fileno=listener.HANDED_FD)
    own = environ["LISTEN_PID"] == str(os.getpid())
    listens = got.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    is_same = got.getsockname() == name
    print(environ["KEPT"], environ["LISTEN_FDS"], own, is_same, listens, os.get_inheritable(3))
    got.detach()
    sys.stdout.flush()
    os._exit(0)
os.wait()
listener.close()
listener.close()
with socket.socket(socket.AF_UNIX if isinstance(name, str) else socket.AF_INET) as client:
    print(client.connect_ex(name) != 0)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "web.sock"


@pytest.mark.parametrize(
    ("listening", "asked"), [("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "0.0.0.0"), ("0.0.0.0", "127.0.0.1")]
)
def test_an_address_where_somebody_listens_is_in_use(listening: str, asked: str) -> None:
    """Also where one of the two is every address."""
    with socket.create_server((listening, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(OSError, match="in use") as error:
            listener.bind(asked, port)
        assert error.value.errno == errno.EADDRINUSE
    listener.bind(asked, port).close()


def test_a_closed_connection_does_not_take_the_port() -> None:
    """What lingers after a restart (TIME_WAIT) is no reason to refuse a start."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()  # the server's side closes first
    listener.bind("127.0.0.1", port).close()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_ipv6() -> None:
    """An address with colons is one of IPv6."""
    with listener.bind("::1", 0) as bound:
        assert bound.family == socket.AF_INET6


def test_an_address_of_another_machine_is_another_matter() -> None:
    """It raises; nobody has taken anything."""
    with pytest.raises(OSError, match="Cannot assign"):
        listener.bind("192.0.2.1", 8000)  # TEST-NET-1, RFC 5737


def test_a_unix_socket_may_be_used_by_its_group(path: Path) -> None:
    """A proxy's, say; its folder decides who comes near it."""
    with listener.bind(f"unix:{path}", 0):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_a_unix_socket_that_nobody_serves_is_replaced(path: Path) -> None:
    """A server that was killed leaves its file."""
    listener.bind(f"unix:{path}", 0).close()
    assert path.is_socket()
    listener.bind(f"unix:{path}", 0).close()


@contextlib.contextmanager
def served(path: Path) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        yield


def test_a_unix_socket_that_somebody_serves_is_in_use(path: Path) -> None:
    """And stays as it is."""
    with served(path):
        with pytest.raises(OSError, match="in use"):
            listener.bind(f"unix:{path}", 0)
        assert path.is_socket()


def test_a_file_is_not_replaced(path: Path) -> None:
    """Somebody has mistyped the path."""
    path.write_text("precious")
    with pytest.raises(listener.NoSocket, match="is no socket"):
        listener.bind(f"unix:{path}", 0)
    assert path.read_text() == "precious"


@pytest.mark.parametrize("kind", ["address", "path"])
def test_a_child_gets_the_socket_as_systemd_would_give_it(kind: str, path: Path) -> None:
    """It listens already; once supervisord has closed it, nobody is let in. Closing it twice does no harm."""
    address = "127.0.0.1" if kind == "address" else f"unix:{path}"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, address],
        env={"PATH": os.defpath, "PYTHONPATH": str(BASE_DIR)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.splitlines() == ["1 1 True True 1 True", "True"], done.stderr
    assert not path.exists()
