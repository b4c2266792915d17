"""Celery's broker on SQLAlchemy: kombu's own transport, which really connects when it says so."""

from __future__ import annotations

from typing import Any, cast

from kombu import Connection
from kombu.transport import sqlalchemy as stock
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool


class Transport(stock.Transport):
    """kombu's SQLAlchemy transport, except that a database that is away is noticed at once.

    The stock one connects at its first poll only. With the server down Celery's worker then reports
    "Connected" and fails, without a pause, dozens of lines a second; so it waits longer each time.
    """

    def establish_connection(self) -> Any:
        """Raises SQLAlchemy's OperationalError, which kombu takes for a broker that is away."""
        client = cast("Connection", self.client)
        create_engine(client.hostname or "", poolclass=NullPool).connect().close()
        return super().establish_connection()
