"""Sending many tasks at once: one statement for ten thousand, all of them or none.

Celery sends the first one; those that differ from it in their arguments alone are copies of its message. That
is where the time would go otherwise: Celery looks at some twenty settings for each task that it sends.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

from celery import Celery, signals
from celery.app import app_or_default
from celery.app.routes import MapRoute
from celery.app.task import Task
from celery.backends.base import Backend
from celery.canvas import Signature
from celery.result import AsyncResult
from celery.utils.saferepr import saferepr
from kombu import serialization
from kombu.exceptions import OperationalError
from kombu.serialization import registry
from kombu.utils.uuid import uuid

from apps.broker.batch import Batch
from apps.broker.channel import Channel
from apps.broker.envelope import Prepared, prepare
from apps.broker.publisher import Letter, Line

STATEMENT: Final = 10_000  # messages in one statement; more would only take more memory

# Options that a copy would get wrong.
_INDIVIDUAL: Final = frozenset({"task_id", "root_id", "argsrepr", "kwargsrepr", "compression"})


def send_many(signatures: Iterable[Signature[Any]], **options: Any) -> list[AsyncResult[Any]]:
    """Send tasks, as `apply_async(**options)` of each signature does; their results, in the same order.

        send_many(resize.s(image.pk) for image in images)

    On the broker in PostgreSQL all of them are sent, or none where this raises; within `transaction.atomic()`
    they are part of that transaction. Above 10,000 a transaction stays open while the rest of `signatures` is
    read. On other brokers they are sent one by one.

    Raises TypeError for anything but signatures of tasks, such as chains, groups and chords, and what
    `apply_async` raises: kombu's OperationalError where the broker is away.
    """
    if isinstance(signatures, Signature):  # a dict, and so an iterable of names
        message = f"send_many takes several signatures, such as a list; {signatures!r:.200} is one"
        raise TypeError(message)
    app = app_or_default()
    if app.conf.task_always_eager:
        return [_plain(signature).apply_async(**options) for signature in signatures]
    with app.producer_or_acquire(None) as producer:
        try:
            _connect(app, producer)
            with _whole(producer), producer.batch(max_size=STATEMENT) as batch:
                sender = _Sender(app, producer, batch, options)
                return [sender.send(_plain(signature)) for signature in signatures]
        except producer.connection.recoverable_connection_errors as error:
            raise OperationalError(str(error)) from error


def _plain(signature: Signature[Any]) -> Signature[Any]:
    if isinstance(signature, Signature) and not signature.subtask_type:
        return signature
    mend = "call its own apply_async" if isinstance(signature, Signature) else "such as add.s(1, 2)"
    message = f"{signature!r:.200} is not the signature of a task; {mend}"
    raise TypeError(message)


def _connect(app: Celery, producer: Any) -> None:
    """Find out whether the connection still works before anything relies on it; tries as often as `delay`."""
    if app.conf.task_publish_retry:
        policy = app.conf.task_publish_retry_policy
        producer.connection.ensure(producer, lambda: _ping(producer), **policy)()
    else:
        _ping(producer)


def _ping(producer: Any) -> None:
    if isinstance(producer.channel, Channel):
        producer.channel.session.run("SELECT 1")


def _whole(producer: Any) -> AbstractContextManager[None]:
    channel = producer.channel
    return channel.whole() if isinstance(channel, Channel) else nullcontext()


class _Sender:
    """Sends signatures through one of kombu's batches."""

    def __init__(self, app: Celery, producer: Any, batch: Any, options: dict[str, Any]) -> None:
        self._app = app
        self._batch = batch
        self._options = {"retry": False, **options, "producer": producer}
        self._may_copy = not _INDIVIDUAL & options.keys() and _sends_plainly(app)
        self._model: _Model | None = None

    def send(self, signature: Signature[Any]) -> AsyncResult[Any]:
        if self._model is not None and self._model.fits(signature):
            result, line = self._model.copy(signature)
            self._batch.state.session.add(line)
            return result
        given = dict(signature.options)
        result = signature.apply_async(**self._options)
        session = self._batch.state.session
        sent = session.last if self._may_copy and isinstance(session, Batch) else None
        self._model = _Model.of(self._app, signature["task"], given, sent, result) if sent else None
        return result


def _sends_plainly(app: Celery) -> bool:
    """Whether nobody has a say in each single message: no router that looks at it, no receiver, no event."""
    listens = (signals.before_task_publish, signals.after_task_publish, signals.task_sent)
    return (
        type(app).send_task is Celery.send_task
        and type(app.backend).on_task_call is Backend.on_task_call
        and app.conf.task_protocol == 2
        and not app.conf.task_compression
        and not app.conf.task_send_sent_event
        and not any(signal.receivers for signal in listens)
        and all(isinstance(route, MapRoute) for route in app.amqp.routes)
    )


def _is_ordinary(task: Any) -> bool:
    """Whether its class leaves sending to Celery."""
    return task is None or (
        type(task).apply_async is Task.apply_async
        and type(task).shadow_name is Task.shadow_name
        and task._dump_pydantic_arguments is None
    )


@dataclass(frozen=True)
class _Model:
    """A message that was sent, to be copied for other arguments of the same task."""

    name: str
    options: dict[str, Any]  # the signature's
    message: Prepared
    queue: str
    embedded: dict[str, Any]  # callbacks and the like, in the body beside the arguments
    serializer: str
    is_root: bool  # of the tasks that it will call; otherwise it was sent by a task
    first: AsyncResult[Any]
    app: Celery
    task: Any
    levels: int  # of nested arguments that are shown

    @classmethod
    def of(
        cls, app: Celery, name: str, options: dict[str, Any], sent: Letter, result: AsyncResult[Any]
    ) -> _Model | None:
        """None where its likes have to be sent one by one."""
        message: Any = sent.message
        headers, task = message.headers, app.tasks.get(name)
        if _INDIVIDUAL & options.keys() or not _is_ordinary(task) or headers["id"] != result.id:
            return None
        content = message.content_type, message.content_encoding
        embedded = serialization.loads(message.body, *content, accept=[message.content_type])[2]
        serializer = registry.type_to_name[message.content_type]
        is_root = headers["root_id"] == result.id
        levels = app.conf.task_repr_maxlevels
        return cls(
            name, options, message, sent.routing_key, embedded, serializer, is_root, result, app, task, levels
        )

    def fits(self, signature: Signature[Any]) -> bool:
        return bool(signature["task"] == self.name and signature["options"] == self.options)

    def copy(self, signature: Signature[Any]) -> tuple[AsyncResult[Any], Line]:
        """Raises TypeError for arguments that the task does not take."""
        args, kwargs, task_id = signature["args"], signature["kwargs"], uuid()
        if self.task is not None and self.task.typing:
            self.task.__header__(*args, **kwargs)
        line = Line.of(self._message(task_id, args, kwargs), self.queue)
        return self._result(task_id), line

    def _message(self, task_id: str, args: Any, kwargs: Any) -> Prepared:
        amqp: Any = self.app.amqp
        headers = {
            **self.message.headers,
            "id": task_id,
            "argsrepr": self._shown(args, amqp.argsrepr_maxsize),
            "kwargsrepr": saferepr(kwargs, amqp.kwargsrepr_maxsize, self.levels) if kwargs else "{}",
        }
        if self.is_root:
            headers["root_id"] = task_id
        content_type, encoding, text = serialization.dumps((args, kwargs, self.embedded), self.serializer)
        properties = {**self.message.properties, "correlation_id": task_id}
        return prepare(text, None, content_type, encoding, headers, properties)

    def _shown(self, args: tuple[Any, ...], most: int) -> str:
        """As Celery shows arguments, in some microseconds.

        Keys of rows, the usual ones, need none of that.
        """
        if all(type(value) is int for value in args) and len(text := repr(args)) < most:
            return text
        return str(saferepr(args, most, self.levels))

    def _result(self, task_id: str) -> AsyncResult[Any]:
        result = (self.task or self.app).AsyncResult(task_id)
        result.ignored = self.first.ignored
        parent = self.app.current_worker_task
        if parent is not None and self.options.get("add_to_parent", True):
            parent.add_trail(result)
        return result
