"""Where the broker's tables are: in Django's database, in one of their own, or nowhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

from boot.env import EX_CONFIG, Environment

ALIAS: Final = "broker"  # Django's name of the broker's own database
SCHEME: Final = "sqla+"


def has_tables(env: Environment) -> bool:
    """Whether the broker is PostgreSQL and meant to be used.

    The registry's default is not, where no DATABASE_URL led to it and tasks run in the calling process.
    """
    scheme = env["CELERY_BROKER_URL"].partition("://")[0]
    if scheme not in (f"{SCHEME}postgresql", f"{SCHEME}postgresql+psycopg"):
        return False
    return (
        env.sources["CELERY_BROKER_URL"] != "default"
        or not env["CELERY_TASK_ALWAYS_EAGER"]
        or _follows(env["DATABASE_URL"])
    )


def own_database(env: Environment, main: Mapping[str, Any]) -> dict[str, Any] | None:
    """Django's settings for the broker's database; None where it is `main`, Django's own, or has no tables.

    Two addresses of one database count as two. Ends the process with 78 where the URL cannot be read.
    """
    given = env["CELERY_BROKER_URL"].removeprefix(SCHEME)
    is_followed = env.sources["CELERY_BROKER_URL"] == "default" and _follows(env["DATABASE_URL"])
    if not has_tables(env) or is_followed or given == env["DATABASE_URL"]:
        return None
    from apps.broker import address, aliases  # here: SQLAlchemy takes 0.2 s

    try:
        url = address.parse(given)
    except ValueError as error:
        print(f"doorito: CELERY_BROKER_URL: {error}", file=sys.stderr)
        raise SystemExit(EX_CONFIG) from None
    if aliases.place_of(url) == aliases.place_in(main):
        return None
    return _django(address.libpq(url))


def _follows(database_url: str) -> bool:
    """Whether the registry makes the broker's default of it."""
    return database_url.startswith(("postgresql://", "postgres://"))


def _django(named: Mapping[str, Any]) -> dict[str, Any]:
    """Of libpq's words. A connection is kept no longer than a request: few pages look at the broker."""
    words = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    return {
        "ENGINE": "django.db.backends.postgresql",
        **{word: str(named.get(name, "")) for word, name in words.items()},
        "OPTIONS": {name: value for name, value in named.items() if name not in words.values()},
    }
