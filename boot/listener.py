"""The web server's listening socket, which supervisord holds: it outlives every gunicorn.

The start binds it before it prepares, so that a taken port is known at once; supervisord listens when it
starts the programs, and hands it to gunicorn as systemd would (LISTEN_FDS, sd_listen_fds(3)). Connections
that come while there is no gunicorn wait in its backlog. Standard library only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

FD: Final = 4  # below 5: those supervisord keeps when it reloads
HANDED_FD: Final = 3  # SD_LISTEN_FDS_START
SOCKET_MODE: Final = 0o660  # who may enter the folder and is of our group may connect: a proxy, say


class NoSocket(Exception):
    """What WEB_BIND names is a file that is no socket."""


def bind(address: str, port: int) -> socket.socket:
    """A socket that is bound to the address, or to `unix:PATH`, and does not listen yet.

    Raises OSError, with EADDRINUSE where somebody listens there, and NoSocket.
    """
    if address.startswith("unix:"):
        return _bind_path(Path(address.removeprefix("unix:")))
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
    except BaseException:
        bound.close()
        raise
    return bound


def _bind_path(path: Path) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise NoSocket(f"{path} is there, and is no socket")
        if _answers(path):
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        path.unlink()  # of a server that was killed
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(str(path))
        path.chmod(SOCKET_MODE)
    except BaseException:
        bound.close()
        raise
    return bound


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
    return True


def discard(bound: socket.socket) -> None:
    """Close one that nobody will listen on; a Unix socket's file goes as well."""
    name = bound.getsockname()
    bound.close()
    if isinstance(name, str) and name:
        Path(name).unlink(missing_ok=True)


def keep(bound: socket.socket) -> None:
    """Move the socket to where it outlives exec, and a reload of supervisord."""
    if bound.fileno() == FD:
        bound.detach()
    else:
        os.dup2(bound.fileno(), FD)
        bound.close()
    os.set_inheritable(FD, True)  # dup2 of a descriptor onto itself does not


def listen(backlog: int) -> None:
    """Let connections come; they wait for whoever gets the socket. Raises OSError."""
    with _borrowed() as kept:
        kept.listen(backlog)


def close() -> None:
    """No connection is to come any more: it would wait for nobody. A Unix socket's file goes as well."""
    with contextlib.suppress(OSError):
        with _borrowed() as kept:
            name = kept.getsockname()
        if isinstance(name, str) and name:
            Path(name).unlink()  # first: whoever starts next may bind there at once
        os.close(FD)


def hand_over(environ: Mapping[str, str]) -> dict[str, str]:
    """In a child that is about to become the web server: give it the socket; the environment that says so."""
    os.dup2(FD, HANDED_FD)
    os.set_inheritable(HANDED_FD, True)
    os.close(FD)
    return {**environ, "LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}


@contextlib.contextmanager
def _borrowed() -> Iterator[socket.socket]:
    kept = socket.socket(fileno=FD)
    try:
        yield kept
    finally:
        kept.detach()
