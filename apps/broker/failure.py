"""What becomes of a task whose message is given up: its result says so, as for any that fails."""

from __future__ import annotations

import logging
from typing import Any

from celery import current_app, states
from celery.app.task import Context
from celery.exceptions import WorkerLostError
from celery.signals import task_failure

from apps.broker.call import Call

logger = logging.getLogger(__name__)


def record(envelope: str, body: bytes, deaths: int, reason: str, **_: Any) -> None:
    """Mark the task of a dead letter as failed, with its errbacks and its chord.

    Raises ContentDisallowed for what no worker would read.
    """
    if (call := Call.of(envelope, body)) is None:
        return
    name, id_ = call.headers["task"], call.headers["id"]
    logger.error("%s[%s] is a dead letter after %d deaths: %s", name, id_, deaths, reason)
    if not _has_succeeded(call):
        _fail(call, WorkerLostError(f"given up after {deaths} deaths, the last: {reason}"))


def _has_succeeded(call: Call) -> bool:
    """It may have ended well, and its worker died before it said so."""
    if call.headers.get("ignore_result"):
        return False
    return bool(current_app.backend.get_state(call.headers["id"]) == states.SUCCESS)


def _fail(call: Call, error: WorkerLostError) -> None:
    id_, task = call.headers["id"], current_app.tasks.get(call.headers["task"])
    stores = not call.headers.get("ignore_result") or bool(task and task.store_errors_even_if_ignored)
    given = {"args": call.args, "kwargs": call.kwargs}
    request = Context({**call.headers, **call.properties, **given, **call.embedded, "delivery_info": {}})
    current_app.backend.mark_as_failure(id_, error, request=request, store_result=stores)
    if task is not None:
        task_failure.send(sender=task, task_id=id_, exception=error, traceback=None, einfo=None, **given)
