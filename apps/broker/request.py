"""Celery's request for a task, and one thing more: a message that its process ends with counts as a death.

Celery gives such a message back for ever where tasks have `acks_late` and `reject_on_worker_lost`. What a
task rejects by itself is no death, nor is what a worker returns while it stops.
"""

from __future__ import annotations

from typing import Any, Final

from billiard.einfo import ExceptionInfo, ExceptionWithTraceback  # type: ignore[attr-defined]
from celery.exceptions import TimeLimitExceeded, WorkerLostError
from celery.worker import request, state

# As Celery's own `on_failure` has it: the last two are what a process reports that ends by itself.
_ENDS: Final = (WorkerLostError, TimeLimitExceeded, SystemExit, KeyboardInterrupt)


class Request(request.Request):
    """To be set as `Task.Request`; for messages of other brokers it is Celery's own."""

    _loss: str | None = None

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Celery acknowledges what it kills at a time limit, unless `task_acks_on_timeout` is off."""
        if not soft:
            self._loss = _reason(TimeLimitExceeded(timeout))
        super().on_timeout(soft, timeout)

    def on_failure(
        self, exc_info: ExceptionInfo, send_failed_event: bool = True, return_ok: bool = False
    ) -> Any:
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        if isinstance(error, _ENDS):
            self._loss = _reason(error)
        return super().on_failure(exc_info, send_failed_event, return_ok)

    def reject(self, requeue: bool = False) -> None:
        if requeue and self._loss and not _is_stopping() and hasattr(self.message, "lost"):
            self.message.lost = self._loss
        super().reject(requeue)


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeLimitExceeded):
        return f"its process was killed at the time limit of {error.args[0]} s"
    if isinstance(error, SystemExit):
        return f"its process exited, with {error.code!r}"
    return str(error) or type(error).__name__


def _is_stopping() -> bool:
    """Whether the worker is ending its processes itself; its exit status may be 0."""
    return state.should_terminate is not None and state.should_terminate is not False
