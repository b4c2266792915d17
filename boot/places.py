"""Where things live on this machine: pure functions from the project's root and the user to paths."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

BASE_DIR: Final = Path(__file__).resolve().parent.parent
ROOTS_HOME: Final = Path("/var/lib/doorito-dev")
SOCKET_PATH_BYTES: Final = 107  # sun_path less its final NUL: unix(7)
# supervisord binds NAME.PID before it renames, and a pid has seven digits at most: proc(5)
LONGEST_SOCKET_NAME: Final = "/supervisor.sock.4194304"


def fingerprint(path: str | Path) -> str:
    """Eight hexadecimal digits that tell one folder's runtime and state from another's."""
    import hashlib  # here: the health probe is to be cheap, and is told where to look

    return hashlib.sha256(os.fsencode(path)).hexdigest()[:8]


def absolute(path: str | Path) -> Path:
    """`~` expanded, and below the project's root, not below whatever the working folder happens to be."""
    # Unlike Path's own, os.path's leaves the name of an unknown user as it is; `values.PATH` refuses it.
    return BASE_DIR / os.path.expanduser(path)  # noqa: PTH111


def default_runtime_dir() -> str:
    # One place whatever shell asks: XDG_RUNTIME_DIR differs between a desktop, ssh, sudo and cron
    # (docs/decisions/0003-runtime-folder.md). The launcher verifies owner and mode.
    return f"/tmp/doorito-{os.getuid()}-{fingerprint(BASE_DIR)}"  # noqa: S108


def postgres_home(state_dir: str | Path) -> Path:
    """The folder of the embedded PostgreSQL: its data and, for root, its binaries and socket.

    Root's server runs as another user, who may be unable to enter the checkout (a 0700 home).
    """
    folder = absolute(state_dir)
    return ROOTS_HOME / fingerprint(folder) if os.getuid() == 0 else folder / "postgres"


def postgres_socket_dir(state_dir: str | Path, runtime_dir: str | Path) -> Path:
    """The folder of the embedded PostgreSQL's socket; short, since a socket's path may have 107 bytes."""
    return postgres_home(state_dir) / "run" if os.getuid() == 0 else absolute(runtime_dir)


def fits_socket(runtime_dir: str | Path) -> bool:
    """Whether supervisord's socket can be bound in this folder."""
    return len(os.fsencode(f"{runtime_dir}{LONGEST_SOCKET_NAME}")) <= SOCKET_PATH_BYTES
