"""The task that a stored message calls."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

from celery import current_app
from kombu import serialization

from apps.broker.message import Message


class Call(NamedTuple):
    """As Celery's message protocol has it (version 2)."""

    headers: dict[str, Any]
    properties: dict[str, Any]
    args: list[Any]
    kwargs: dict[str, Any]
    embedded: dict[str, Any]  # callbacks and the like

    @classmethod
    def of(cls, envelope: str, body: bytes) -> Self | None:
        """None for what calls no task. Raises ContentDisallowed for what no worker of ours would read."""
        nobody: Any = None
        message: Any = Message(nobody, 0, None, False, envelope, body)
        if "task" not in message.headers:
            return None
        message.accept = serialization.prepare_accept_content(current_app.conf.accept_content)
        return cls(message.headers, message.properties, *message.decode())
