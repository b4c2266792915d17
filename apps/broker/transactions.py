"""Django's own transaction, where the broker is in the same database: what is sent in it is part of it."""

from __future__ import annotations

import functools
import re
from typing import Any, Final

from django.conf import settings
from django.db import connections
from sqlalchemy.engine import URL

from apps.broker import address

_PARAMETER: Final = re.compile(r"\$(\d+)")

# As configured, before a test runner renames the database: its broker is then the test database as well.
_aliases: dict[address.Place, str] = {}


def remember() -> None:
    """Note which databases Django has; called once, when the application is ready."""
    for alias in connections:
        if connections[alias].vendor == "postgresql":
            _aliases[address.place(address.of_django(connections[alias].settings_dict))] = alias


def alias_of(url: URL) -> str | None:
    """Django's connection to the database that the URL names."""
    return _aliases.get(address.place(address.libpq(url)))


def followed(url: URL) -> URL:
    """The URL, with the name that the database goes by now: a test runner's, while it runs."""
    alias = alias_of(url)
    return url.set(database=str(connections[alias].settings_dict["NAME"])) if alias else url


def joined(url: URL) -> str | None:
    """Whose transactions publishing takes part in; None where that is switched off."""
    return alias_of(url) if settings.configured and settings.BROKER_TRANSACTIONAL else None


def open_on(alias: str | None) -> str | None:
    """The alias, if a transaction is open on it in this thread."""
    return alias if alias and connections[alias].in_atomic_block else None


def run(alias: str, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """The rows of one of our statements on Django's connection. Raises Django's database errors."""
    named = {f"p{number}": value for number, value in enumerate(parameters, start=1)}
    with connections[alias].cursor() as cursor:
        cursor.execute(_for_django(statement), named)
        return list(cursor.fetchall())


@functools.cache
def _for_django(statement: str) -> str:
    return _PARAMETER.sub(r"%(p\1)s", statement.replace("%", "%%"))
