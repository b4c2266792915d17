"""Celery's broker on PostgreSQL: the kombu transport behind `sqla+postgresql://`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import amqp
import psycopg
from django.conf import settings
from kombu.exceptions import ChannelError
from kombu.transport import base
from kombu.utils.imports import symbol_by_name
from sqlalchemy import exc as sqlalchemy_errors

from apps.broker import address, scheme
from apps.broker.connection import Connection
from apps.broker.routing import EXCHANGE_TYPES

if TYPE_CHECKING:
    import kombu
    from kombu.asynchronous import Hub

    from apps.broker.channel import Channel

MAX_DELIVERIES = 5  # where Django is not configured


# A server that is away or going away, by whichever layer notices it first.
CONNECTION_ERRORS: tuple[type[BaseException], ...] = (
    *amqp.Connection.connection_errors,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    sqlalchemy_errors.OperationalError,
    sqlalchemy_errors.InterfaceError,
)
CHANNEL_ERRORS: tuple[type[BaseException], ...] = (*amqp.Connection.channel_errors, ChannelError)


class Transport(base.Transport):
    """PostgreSQL with psycopg; for other dialects of SQLAlchemy it makes kombu's own transport."""

    can_parse_url = True
    # Celery sends events through a topic exchange and takes part in gossip for those it knows; to it this is
    # one.
    driver_type = "amqp"
    driver_name = "psycopg"
    connection_errors = CONNECTION_ERRORS
    recoverable_connection_errors = CONNECTION_ERRORS
    channel_errors = CHANNEL_ERRORS
    recoverable_channel_errors: tuple[type[BaseException], ...] = ()
    implements = base.Transport.implements.extend(
        asynchronous=True, batch_publish=True, heartbeats=True, exchange_type=frozenset(EXCHANGE_TYPES)
    )

    def __new__(cls, client: kombu.Connection, **options: Any) -> Any:
        if client.hostname and "://" in client.hostname and not scheme.is_ours(client.hostname):
            # Imported only here: it brings SQLAlchemy's ORM, 8 MB and 0.1 s in every process.
            return symbol_by_name("kombu.transport.sqlalchemy:Transport")(client, **options)
        return super().__new__(cls)

    def __init__(self, client: kombu.Connection, **_: Any) -> None:
        self.client = client

    def driver_version(self) -> str:
        return psycopg.__version__

    def establish_connection(self) -> Connection:
        """Raises SQLAlchemy's OperationalError when the server is away, ValueError for a URL that cannot be
        read.
        """
        options = self.client.transport_options or {}
        limit = options.get("max_deliveries") or (
            settings.BROKER_MAX_DELIVERIES if settings.configured else MAX_DELIVERIES
        )
        return Connection(self.client, address.of(self.client), limit)

    def close_connection(self, connection: Connection) -> None:
        connection.close()

    def _collect(self, connection: Connection | None) -> None:
        if connection is not None:
            connection.collect()

    def create_channel(self, connection: Connection) -> Channel:
        return connection.channel()

    def verify_connection(self, connection: Connection) -> bool:
        return connection.connected

    def drain_events(self, connection: Connection, timeout: float | None = None, **_: Any) -> None:
        connection.drain_events(timeout)

    def register_with_event_loop(self, connection: Connection, loop: Hub) -> None:
        connection.pump.attach(loop)

    def unregister_from_event_loop(self, connection: Connection, loop: Hub) -> None:
        connection.pump.detach(loop)

    def get_heartbeat_interval(self, connection: Connection) -> float:
        return connection.heartbeat

    def heartbeat_check(self, connection: Connection, rate: int = 2) -> None:
        connection.beat()

    def as_uri(self, uri: str, include_password: bool = False, mask: str = "**") -> str:
        """The URL as it was given, its password hidden."""
        if "://" in uri:
            shown = f"sqla+{uri}"
        else:  # the next of several URLs, which kombu has taken apart
            url = address.of(self.client).render_as_string(hide_password=False)
            shown = f"{self.client.transport_cls}:{url.partition(':')[2]}"
        return shown if include_password else address.masked(shown, mask)
