"""What a backup must know about the server, in a process of its own that imports psycopg.

    python -m boot.backup.probe

Asks the server that the PG... variables name and prints one JSON object: the fields of
`boot.backup.server.Server`. Exit status 0, or 69 with the reason on standard error.
"""

from __future__ import annotations

import json
import sys
from typing import Final

import psycopg

EX_UNAVAILABLE: Final = 69
FACTS: Final = """
SELECT current_setting('server_version_num')::integer / 10000,
       current_setting('server_version'),
       current_database(),
       pg_database_size(current_database())
"""
# What others do is visible to superusers alone, but not that they are there.
SESSIONS: Final = """
SELECT usename = current_user, coalesce(nullif(application_name, ''), 'a program'), client_addr::text
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND coalesce(backend_type, 'client backend') = 'client backend'
"""


def main() -> int:
    """Print the facts; returns the exit status."""
    try:
        with psycopg.connect("", autocommit=True) as connection:
            major, version, database, size = connection.execute(FACTS).fetchone() or ()
            sessions = connection.execute(SESSIONS).fetchall()
    except psycopg.Error as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return EX_UNAVAILABLE
    own = [f"{name} from {address}" if address else name for is_own, name, address in sessions if is_own]
    facts = {"major": major, "version": version, "database": database, "size": size}
    print(json.dumps(facts | {"own_sessions": own, "other_sessions": len(sessions) - len(own)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
