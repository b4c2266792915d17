"""Whether there is a broker of ours to look at, and what is said where there is none."""

from __future__ import annotations

from django.conf import settings
from django.db import Error, connections, router
from psycopg.errors import UndefinedColumn, UndefinedTable

from apps.broker.models import Queue
from apps.broker.scheme import is_ours


def alias() -> str:
    """The name of Django's connection to the database that holds the broker's tables."""
    return router.db_for_read(Queue)


def absence() -> str | None:
    """Why no broker of ours is here; None where one is. Asks no server."""
    url = str(settings.CELERY_BROKER_URL)
    if not (url.startswith("sqla+") and is_ours(url.removeprefix("sqla+"))):
        return (
            f"the broker is another one ({url.partition('://')[0]}), and only that on PostgreSQL can be seen"
        )
    if (vendor := connections[alias()].vendor) != "postgresql":
        return f"the database ({vendor}) cannot be a broker, and only that on PostgreSQL can be seen"
    return None


def lacks_tables(error: Error) -> bool:
    """Whether a statement failed because the broker's migrations are not applied."""
    return isinstance(error.__cause__, (UndefinedTable, UndefinedColumn))
