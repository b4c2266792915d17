"""Exchanges, queues and bindings: declared, bound and deleted, with AMQP's errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from amqp.protocol import queue_declare_ok_t
from kombu.transport.base import StdChannel, to_rabbitmq_queue_arguments
from kombu.utils.uuid import uuid

from apps.broker import queues, sql
from apps.broker.envelope import HIGHEST_PRIORITY
from apps.broker.errors import AccessRefused, NotFound, NotSupported, PreconditionFailed
from apps.broker.routing import EXCHANGE_TYPES, OWN_EXCHANGES, pattern
from apps.broker.session import Session

# What a queue may be declared with, and the column that keeps it. The last ones ask for what every queue here
# is.
QUEUE_ARGUMENTS: Final[Mapping[str, str | None]] = {
    "x-max-priority": "max_priority",
    "x-max-length": "max_length",
    "x-max-length-bytes": "max_bytes",
    "x-message-ttl": "message_ttl_ms",
    "x-expires": "expires_ms",
    "x-queue-mode": None,
    "x-queue-type": None,
    "x-queue-version": None,
}
_COLUMNS: Final = [column for column in QUEUE_ARGUMENTS.values() if column]
_LEAST: Final = {"expires_ms": 1}
_MOST: Final = {"max_priority": HIGHEST_PRIORITY}
_NAME_BYTES: Final = 255  # AMQP's limit


class Topology(StdChannel):
    """The part of a channel that is not about messages.

    Each method is one or two statements, done when it returns.
    """

    @property
    def session(self) -> Session:
        """Raises ConnectionLost once the channel is closed."""
        raise NotImplementedError

    # Exchanges

    def exchange_declare(
        self, exchange: str, type: str | None = "direct", passive: bool = False, durable: bool = False,
        auto_delete: bool = True, nowait: bool = False, arguments: Mapping[str, Any] | None = None, **_: Any,
    ) -> None:  # fmt: skip
        """Raises NotFound (passive), PreconditionFailed (declared otherwise before), NotSupported,
        AccessRefused.
        """
        wanted = (type or "direct", durable, auto_delete, dict(arguments or {}))
        if passive:
            self._find_exchange(exchange)
            return
        if wanted[0] not in EXCHANGE_TYPES:
            raise NotSupported(f"exchange type {wanted[0]!r}; accepted are {', '.join(EXCHANGE_TYPES)}")
        if wanted[3]:
            raise NotSupported(f"exchange argument {', '.join(sorted(wanted[3]))}; none is accepted")
        if exchange.startswith("amq.") or not exchange:
            if OWN_EXCHANGES.get(exchange) != wanted[0]:
                raise AccessRefused(
                    f"exchange {exchange!r}: names that begin with 'amq.' are the broker's own"
                )
            return
        [(made,)] = self.session.run(sql.DECLARE_EXCHANGE, exchange, *wanted[:3], json.dumps(wanted[3]))
        if not made and (found := self._find_exchange(exchange)) != wanted:
            raise PreconditionFailed(
                _differs("exchange", exchange, ("type", "durable", "auto_delete", "arguments"), found, wanted)
            )

    def exchange_delete(self, exchange: str, if_unused: bool = False, nowait: bool = False, **_: Any) -> None:
        """Raises PreconditionFailed for one in use that must not be, AccessRefused for the broker's own."""
        if exchange.startswith("amq.") or not exchange:
            raise AccessRefused(f"exchange {exchange!r} is the broker's own")
        if if_unused and self.session.run(sql.EXCHANGE_IN_USE, exchange)[0][0]:
            raise PreconditionFailed(f"exchange {exchange!r} in use")
        self.session.run(sql.DELETE_EXCHANGE, exchange)

    def exchange_bind(self, *_: Any, **__: Any) -> None:
        raise NotSupported("an exchange can be bound to a queue, not to another exchange")

    exchange_unbind = exchange_bind

    def _find_exchange(self, exchange: str) -> tuple[Any, ...]:
        if rows := self.session.run(sql.FIND_EXCHANGE, exchange):
            return rows[0]
        if own := OWN_EXCHANGES.get(exchange):
            self.session.run(sql.DECLARE_EXCHANGE, exchange, own, True, False, "{}")
            return own, True, False, {}
        raise NotFound(f"no exchange {exchange!r}")

    # Queues

    def prepare_queue_arguments(self, arguments: Mapping[str, Any], **options: Any) -> dict[str, Any]:
        """Kombu's `expires=`, `message_ttl=` and so on, in RabbitMQ's names and units."""
        return dict(to_rabbitmq_queue_arguments(arguments, **options))

    def queue_declare(
        self, queue: str = "", passive: bool = False, durable: bool = False, exclusive: bool = False,
        auto_delete: bool = True, nowait: bool = False, arguments: Mapping[str, Any] | None = None, **_: Any,
    ) -> queue_declare_ok_t:  # fmt: skip
        """Name, waiting messages, consumers.

        Raises NotFound (passive), PreconditionFailed (declared otherwise before), ResourceLocked (exclusive
        to another connection), NotSupported (an argument), AccessRefused (a name).
        """
        self.look()  # a count is to hold what the dead had, and to leave out what has expired
        if passive:
            self._find_queue(queue)
        else:
            queue = queue or f"amq.gen-{uuid()}"
            self._create_queue(queue, (durable, exclusive, auto_delete, dict(arguments or {})))
            self.session.run(sql.TOUCH_QUEUE, queue)
        [(messages, consumers)] = self.session.run(sql.COUNT_QUEUE, queue)
        return queue_declare_ok_t(queue, messages, consumers)

    def _create_queue(self, queue: str, wanted: tuple[bool, bool, bool, dict[str, Any]]) -> None:
        if len(queue.encode()) > _NAME_BYTES:
            raise PreconditionFailed(f"queue name of {len(queue.encode())} bytes; at most {_NAME_BYTES}")
        columns = _queue_columns(wanted[3])
        owner = self.session.id if wanted[1] else None
        row = (queue, *wanted[:3], json.dumps(wanted[3]), owner, *columns)
        [(made,)] = self.session.run(sql.DECLARE_QUEUE, *row)
        if not any(wanted[1:3]) and "x-expires" not in wanted[3]:
            self.remember(row)
        if made:
            return
        try:
            found = self._find_queue(queue)
        except NotFound:  # it has just ended with its session
            self.session.run(sql.DECLARE_QUEUE, *row)
            return
        if found != wanted:
            raise PreconditionFailed(
                _differs("queue", queue, ("durable", "exclusive", "auto_delete", "arguments"), found, wanted)
            )

    def _find_queue(self, queue: str) -> tuple[Any, ...]:
        """What it was declared with. Raises NotFound, and ResourceLocked where it is another session's."""
        if not (rows := self.session.run(sql.FIND_QUEUE, queue)):
            raise NotFound(f"no queue {queue!r}")
        *declared, owner = rows[0]
        if owner is not None and not (self.session.is_registered and owner == self.session.id):
            self.end_if_dead(owner, queue)
        return tuple(declared)

    def remember(self, row: tuple[Any, ...]) -> None:
        """That this connection has declared a lasting queue."""
        raise NotImplementedError

    def forget(self, queue: str) -> None:
        """That it has deleted it."""
        raise NotImplementedError

    def look(self) -> None:
        """Do the chores, if nobody here has lately."""
        raise NotImplementedError

    def end_if_dead(self, owner: int, queue: str) -> None:
        """Raises ResourceLocked while the session lives, NotFound when its queue has just ended with it."""
        raise NotImplementedError

    def queue_bind(
        self, queue: str, exchange: str = "", routing_key: str = "", nowait: bool = False,
        arguments: Mapping[str, Any] | None = None, **_: Any,
    ) -> None:  # fmt: skip
        """Raises NotFound where either is missing."""
        if not exchange:
            raise AccessRefused("the default exchange is bound to every queue by its name")
        self._find_queue(queue)
        kind = self._find_exchange(exchange)[0]
        self.session.run(
            sql.BIND, exchange, queue, routing_key, pattern(routing_key) if kind == "topic" else ""
        )

    def queue_unbind(
        self,
        queue: str,
        exchange: str,
        routing_key: str = "",
        nowait: bool = False,
        arguments: Any = None,
        **_: Any,
    ) -> None:
        self.session.run(sql.UNBIND, exchange, queue, routing_key)
        self.session.run(sql.DROP_UNBOUND, [exchange])

    def queue_purge(self, queue: str, nowait: bool = False, **_: Any) -> int:
        """The number of messages dropped; what consumers have stays theirs."""
        self._find_queue(queue)
        return int(self.session.run(sql.PURGE, queue)[0][0])

    def queue_delete(
        self, queue: str, if_unused: bool = False, if_empty: bool = False, nowait: bool = False, **_: Any
    ) -> int:
        """The number of messages dropped.

        Raises PreconditionFailed when it is in use or not empty and must be.
        """
        self.forget(queue)
        try:
            self._find_queue(queue)
        except NotFound:
            return 0
        [(messages, consumers)] = self.session.run(sql.COUNT_QUEUE, queue)
        if if_unused and consumers:
            raise PreconditionFailed(f"queue {queue!r} in use")
        if if_empty and messages:
            raise PreconditionFailed(f"queue {queue!r} not empty")
        return queues.delete(self.session, [queue])

    def get_bindings(self) -> list[dict[str, str]]:
        """All bindings, as RabbitMQ's management API names their parts."""
        rows = self.session.run(sql.LIST_BINDINGS)
        return [{"source": row[0], "destination": row[1], "routing_key": row[2]} for row in rows]


def _queue_columns(arguments: Mapping[str, Any]) -> list[int | None]:
    if unknown := sorted(set(arguments) - set(QUEUE_ARGUMENTS)):
        raise NotSupported(f"queue argument {', '.join(unknown)}; accepted are {', '.join(QUEUE_ARGUMENTS)}")
    if (kind := arguments.get("x-queue-type", "classic")) not in ("classic", "quorum"):
        raise NotSupported(f"x-queue-type {kind!r}; accepted are classic and quorum, which are the same here")
    values = {column: arguments.get(name) for name, column in QUEUE_ARGUMENTS.items() if column}
    for column, value in values.items():
        least, most = _LEAST.get(column, 0), _MOST.get(column, 2**62)
        if value is not None and (not isinstance(value, int) or not least <= value <= most):
            raise PreconditionFailed(f"invalid {column} {value!r}; a whole number from {least} to {most}")
    return [values[column] for column in _COLUMNS]


def _differs(
    kind: str, name: str, parts: tuple[str, ...], found: tuple[Any, ...], wanted: tuple[Any, ...]
) -> str:
    part, was, is_ = next((p, f, w) for p, f, w in zip(parts, found, wanted, strict=True) if f != w)
    return f"inequivalent arg {part!r} for {kind} {name!r}: received {is_!r} but current is {was!r}"
