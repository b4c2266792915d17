"""A client of the broker that publishes, takes, and dies with messages, by the transport itself."""

from __future__ import annotations

from typing import Any, Self

from celery import Celery
from django.conf import settings
from kombu import Connection, Queue

import boot.celery  # noqa: F401 - it registers the transport for sqla+postgresql
from apps.broker import address
from apps.broker.message import Message
from apps.broker.models import Queue as StoredQueue

REASON = "the process that ran it died: signal 9 (SIGKILL)"


def lone_peer() -> Peer:
    """A client of a broker without queues: those that another test has declared outlast its rollback."""
    StoredQueue.objects.all().delete()
    return Peer()


class Peer:
    """One connection; a message that is lost once is a dead letter. Nothing outlives the context."""

    def __init__(self) -> None:
        url = str(settings.CELERY_BROKER_URL)
        options = {"max_deliveries": 1}
        self.app = Celery("peer", broker=url, set_as_current=False, broker_transport_options=options)
        self.connection = Connection(url, transport_options=options)
        self.channel: Any = self.connection.channel()
        self._declared: dict[str, Queue] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()
        self.app.close()
        address.close_idle()  # or the test database could not be dropped

    def declare(self, *queues: str, **arguments: Any) -> None:
        for queue in queues:
            self._declared[queue] = Queue(queue, routing_key=queue, queue_arguments=arguments)
            self.channel.queue_declare(queue, durable=True, auto_delete=False, arguments=arguments)

    def send(self, queue: str, task: str = "shop.pack", **options: Any) -> str:
        """Send a task; its id."""
        options |= {"connection": self.connection, "queue": self._declared[queue], "ignore_result": True}
        return str(self.app.send_task(task, **options).id)

    def publish(self, queue: str, body: str | bytes, **options: Any) -> None:
        """Publish a message that is no task."""
        self.channel.basic_publish(self.channel.prepare_message(body, **options), "", queue)

    def take(self, queue: str) -> Message:
        """The next message, which is this client's until it acknowledges it."""
        message = self.channel.basic_get(queue)
        assert isinstance(message, Message)
        return message

    def consume(self, queue: str) -> None:
        self.channel.basic_consume(queue)

    def kill(self, queue: str, times: int = 1) -> list[int]:
        """Take messages whose processes then die; the ids of the dead letters."""
        from apps.broker.models import DeadLetter

        before = set(DeadLetter.objects.values_list("id", flat=True))
        for _ in range(times):
            self.take(queue).reject_lost(REASON)
        return sorted(set(DeadLetter.objects.values_list("id", flat=True)) - before)
