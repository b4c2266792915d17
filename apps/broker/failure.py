"""What becomes of a task that is given up: its result says so, as for any that fails."""

from __future__ import annotations

import logging
from typing import Any

from celery import current_app, states
from celery.app.task import Context
from celery.exceptions import WorkerLostError
from celery.signals import task_failure
from kombu import serialization

from apps.broker.message import Message

logger = logging.getLogger(__name__)


def record(envelope: str, body: bytes, deaths: int, reason: str, **_: Any) -> None:
    """Mark the task of a dead letter as failed, with its errbacks and its chord.

    Other messages have no result.
    """
    message = Message(None, 0, None, True, envelope, body)
    if "task" not in message.headers:
        return
    request = _request(message)
    logger.error("%s[%s] is a dead letter after %d deaths: %s", request.task, request.id, deaths, reason)
    if not _has_succeeded(request):
        _fail(request, WorkerLostError(f"given up after {deaths} deaths, the last: {reason}"))


def _request(message: Message) -> Context:
    """What the task would have found in `self.request`.

    Raises ContentDisallowed for what no worker would read.
    """
    message.accept = serialization.prepare_accept_content(current_app.conf.accept_content)
    args, kwargs, embedded = message.decode()
    properties = {name: message.properties.get(name) for name in ("correlation_id", "reply_to")}
    given = {"args": args, "kwargs": kwargs, "delivery_info": message.delivery_info}
    return Context({**message.headers, **given, **properties, **embedded})


def _has_succeeded(request: Context) -> bool:
    """It may have ended well, and its worker died before it said so."""
    return not request.ignore_result and current_app.backend.get_state(request.id) == states.SUCCESS


def _fail(request: Context, error: WorkerLostError) -> None:
    task = current_app.tasks.get(request.task)
    stores = not request.ignore_result or bool(task and task.store_errors_even_if_ignored)
    current_app.backend.mark_as_failure(request.id, error, request=request, store_result=stores)
    if task is not None:
        given = {"task_id": request.id, "exception": error, "args": request.args, "kwargs": request.kwargs}
        task_failure.send(sender=task, **given, traceback=None, einfo=None)
