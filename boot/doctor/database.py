"""What the doctor asks of the database, in a process of its own that imports Django.

    python -m boot.doctor.database

Writes one JSON object on standard output, the fields of `boot.doctor.server.Server`. Changes nothing.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from boot import parent
from boot.doctor.server import Server

CLOCK_TRIES: Final = 3  # the one with the shortest round trip counts
# Of this database, and of the broker's where it is in the same server: both are ours.
CONNECTIONS: Final = """
    SELECT current_setting('max_connections')::int,
           current_setting('superuser_reserved_connections')::int
               + coalesce(current_setting('reserved_connections', true)::int, 0),
           coalesce(sum(numbackends) FILTER (WHERE datname <> ALL (%(ours)s)), 0)::int,
           coalesce(sum(numbackends) FILTER (WHERE datname = ANY (%(ours)s)), 0)::int - 1
      FROM pg_stat_database
"""


def look() -> Server:
    """Ask whatever can be asked, the broker's database as well."""
    return replace(_database(), **_broker())


def _database() -> Server:
    from django.db import Error, connection

    if connection.vendor == "sqlite" and not _exists(str(connection.settings_dict["NAME"])):
        return Server("sqlite", is_new=True)  # connecting would make the file
    try:
        connection.ensure_connection()
        facts = _postgresql() if connection.vendor == "postgresql" else {}
    except Error as error:
        return Server(connection.vendor, reason=_line(error))
    return Server(connection.vendor, **facts, **_migrations())


def _exists(name: str) -> bool:
    return name == ":memory:" or name.startswith("file:") or Path(name).exists()


def _postgresql() -> dict[str, Any]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid(), current_setting('server_version_num')::int")
        (pid, version), own = cursor.fetchone(), connection.connection.info.backend_pid
        cursor.execute(CONNECTIONS, {"ours": _ours()})
        limit, reserved, others, here = cursor.fetchone()
    doubt, ahead = min(_clock())
    return {
        "version": version,
        # Clients of a pooler are told a number of the pooler's own.
        "is_pooled": pid != own,
        "max_connections": limit,
        "reserved": reserved,
        "others": others,
        "here": here,
        "clock_ahead_s": ahead,
        "clock_doubt_s": doubt,
    }


def _ours() -> list[str]:
    """The names of our databases in this server."""
    from django.db import connections

    server = connections["default"].settings_dict
    ours = [connections[alias].settings_dict for alias in connections]
    same = [one for one in ours if (one["HOST"], str(one["PORT"])) == (server["HOST"], str(server["PORT"]))]
    return [str(one["NAME"]) for one in same]


def _broker() -> dict[str, Any]:
    from django.conf import settings
    from django.db import Error, connections

    from apps.broker import pooler
    from boot.tables import broker_lacks

    if not (alias := settings.BROKER_DATABASE):
        return {}
    connection = connections[alias]
    try:
        connection.ensure_connection()
        with connection.wrap_database_errors:
            is_between = pooler.is_between(connection.connection)
            is_shared = is_between and pooler.is_shared(connection.connection)
        return {"broker": alias, "broker_lacks": broker_lacks(alias), "is_broker_shared": is_shared}
    except Error as error:
        return {"broker": alias, "broker_reason": _line(error)}


def _clock() -> Iterator[tuple[float, float]]:
    """Half a round trip, and how far the database's clock is ahead, in seconds."""
    from django.db import connection

    with connection.cursor() as cursor:
        for _ in range(CLOCK_TRIES):
            start, before = time.monotonic(), time.time()  # a pause between the two adds to the doubt
            cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
            half = (time.monotonic() - start) / 2
            yield half, cursor.fetchone()[0] - (before + half)


def _migrations() -> dict[str, Any]:
    from django.db import Error

    from apps.ops.health import pending_migrations

    try:
        return {"pending": tuple(pending_migrations())}
    except Error as error:
        return {"pending_reason": _line(error)}


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def main() -> None:
    parent.follow(signal.SIGKILL)  # whoever asks may have been interrupted
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed is no answer
    from boot.env import load_or_exit

    load_or_exit()
    import django

    django.setup()
    json.dump(asdict(look()), answer)
    answer.close()


if __name__ == "__main__":
    main()
