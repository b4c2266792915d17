"""A PgBouncer of one's own, from Debian's package."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from tests.ports import ADDRESS, free_ports
from tests.servers.postgres import _user
from tests.servers.process import ServerError, listens, running

PROGRAM: Final = "pgbouncer"
CONFIGURATION: Final = """\
[databases]
* = host={host} port={server_port}
[pgbouncer]
pool_mode = {mode}
listen_addr = {address}
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {users}
{settings}
"""


def is_installed() -> bool:
    """Whether Debian's package pgbouncer is there."""
    return shutil.which(PROGRAM, path="/usr/sbin:/usr/bin") is not None


@contextlib.contextmanager
def serving(url: str, mode: str, **settings: str | int) -> Iterator[str]:
    """A pooler before the server of `url` runs inside this block; the URL that leads through it.

    `mode` is its pool_mode: "session", "transaction" or "statement"; `settings` as in pgbouncer.ini.
    Raises ServerError.
    """
    if not is_installed():
        message = "PgBouncer is not installed; run `apt install pgbouncer`"
        raise ServerError(message)
    server = urlsplit(url)
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="doorito-pgbouncer-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # it refuses to be root's
        users, ini = folder / "users", folder / "pgbouncer.ini"
        users.write_text(f'"{server.username}" "{unquote(server.password or "")}"\n')
        ini.write_text(
            CONFIGURATION.format(
                host=server.hostname,
                server_port=server.port,
                mode=mode,
                address=ADDRESS,
                port=port,
                users=users,
                settings="\n".join(f"{key} = {value}" for key, value in settings.items()),
            )
        )
        with running([PROGRAM, str(ini)], folder / "log", {}, user=_user()) as pooler:
            pooler.wait_until(lambda: listens(port))
            yield f"{server.scheme}://{server.username}:{server.password}@{ADDRESS}:{port}{server.path}"
