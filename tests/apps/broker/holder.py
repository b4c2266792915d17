"""A process that takes messages and neither acknowledges them nor ends: `holder URL QUEUE COUNT`."""

from __future__ import annotations

import os
import sys

from kombu import Queue
from kombu.transport import TRANSPORT_ALIASES

from tests.apps.broker.client import Client, drain

TRANSPORT_ALIASES["sqla"] = "apps.broker.transport:Transport"


def main(url: str, queue_name: str, count: str) -> None:
    """Say `holding` once it holds that many, after a child that inherited the connection has ended."""
    client = Client(url)
    inbox = client.inbox(Queue(queue_name), prefetch_count=int(count))
    inbox.wait(int(count))
    if os.fork() == 0:
        return
    os.wait()
    client.count(Queue(queue_name))  # the parent's connection still works
    print("holding", flush=True)
    drain(client.connection, "its end", lambda: False)


if __name__ == "__main__":
    main(*sys.argv[1:])
