"""A RabbitMQ of one's own, from Debian's package: an unprivileged node that nobody else can see."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from kombu import Connection

from tests.ports import ADDRESS, free_ports
from tests.servers.process import ServerError, listens, running

# Not Debian's wrapper on the PATH, which changes to another user and to /var/lib/rabbitmq.
PROGRAM: Final = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


def is_installed() -> bool:
    """Whether Debian's package rabbitmq-server is there."""
    return PROGRAM.exists()


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """A node runs inside this block; its URL, `amqp://...`. Raises ServerError.

    Durable queues and persistent messages go to files in a temporary folder, with RabbitMQ's defaults.
    """
    if not is_installed():
        message = "RabbitMQ is not installed; run `apt install rabbitmq-server`"
        raise ServerError(message)
    port, dist_port, epmd_port = free_ports(3)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="doorito-rabbitmq-")))
        environ = _environ(folder, port, dist_port, epmd_port)
        # Erlang would leave one behind as a daemon, on a port that other nodes use.
        command = ["epmd", "-address", ADDRESS, "-port", str(epmd_port)]
        epmd = stack.enter_context(running(command, folder / "epmd.log", environ))
        epmd.wait_until(lambda: listens(epmd_port))
        server = stack.enter_context(running([str(PROGRAM)], folder / "rabbitmq.log", environ))
        url = f"amqp://guest:guest@{ADDRESS}:{port}//"
        server.wait_until(lambda: _answers(url))
        yield url


def _environ(folder: Path, port: int, dist_port: int, epmd_port: int) -> dict[str, str]:
    """Everything below `folder`, nothing of the machine's own node."""
    return {
        "HOME": str(folder),  # of the cookie
        "ERL_EPMD_ADDRESS": ADDRESS,
        "ERL_EPMD_PORT": str(epmd_port),
        "RABBITMQ_NODENAME": f"doorito-{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": ADDRESS,
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(dist_port),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "config"),
        # Files that do not exist, or Debian's in /etc/rabbitmq would count.
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none.conf"),
        "RABBITMQ_CONFIG_FILE": str(folder / "none"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "none.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "none_enabled"),
        # The script then becomes the server, where it would else start it as a child.
        "RUNNING_UNDER_SYSTEMD": "true",
    }


def _answers(url: str) -> bool:
    with Connection(url, connect_timeout=5) as connection:
        try:
            connection.connect()
        except connection.connection_errors:
            return False
    return True
