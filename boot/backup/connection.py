"""From DATABASE_URL to the environment of PostgreSQL's programs: no password on a command line.

Read as Django reads it (dj-database-url, then psycopg), so that it is the same database.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from boot.backup.errors import WrongConfiguration

CONNECT_S: Final = "10"  # seconds; a host that swallows packets would hold the command for minutes
# libpq's names for what a URL's query may say: "Environment Variables" in PostgreSQL's manual.
VARIABLES: Final = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "passfile": "PGPASSFILE",
    "require_auth": "PGREQUIREAUTH",
    "channel_binding": "PGCHANNELBINDING",
    "service": "PGSERVICE",
    "options": "PGOPTIONS",
    "application_name": "PGAPPNAME",
    "sslmode": "PGSSLMODE",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "sslcompression": "PGSSLCOMPRESSION",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslcertmode": "PGSSLCERTMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcrl": "PGSSLCRL",
    "sslcrldir": "PGSSLCRLDIR",
    "sslsni": "PGSSLSNI",
    "requirepeer": "PGREQUIREPEER",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "gssencmode": "PGGSSENCMODE",
    "krbsrvname": "PGKRBSRVNAME",
    "gsslib": "PGGSSLIB",
    "gssdelegation": "PGGSSDELEGATION",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "load_balance_hosts": "PGLOADBALANCEHOSTS",
}
# Whose tables these are, or whether there is a connection at all, depends on them, and libpq reads them
# from no variable. Whatever else it does not read is Django's own, or tuning.
NEEDED: Final = ("assume_role", "sslpassword")


def environment(url: str, given: Mapping[str, str]) -> dict[str, str]:
    """What a program needs to reach the database that a postgresql:// URL names.

    Of the `given` process environment it keeps the PATH, and HOME, where libpq looks for certificates and
    passwords. The user's own PG... variables are for other servers. Raises WrongConfiguration.
    """
    if not url.startswith(("postgresql://", "postgres://")):
        message = (
            "DATABASE_URL: is not PostgreSQL, and nothing else can be backed up; of SQLite, stop what uses "
            "it and copy its file and MEDIA_ROOT, or set DATABASE_URL or DOORITO_ENV_FILE"
        )
        raise WrongConfiguration(message)
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    for name in NEEDED:
        if name in query:
            message = f"DATABASE_URL: has {name}, which pg_dump and pg_restore cannot be given; leave it out"
            raise WrongConfiguration(message)
    settings = {VARIABLES[name]: texts[-1] for name, texts in query.items() if name in VARIABLES}
    settings |= _hosts(query.get("host", []))
    if "currentSchema" in query:
        settings["PGOPTIONS"] = f"-c search_path={query['currentSchema'][-1]}"
    in_front = {
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGHOST": unquote(parts.hostname or ""),
        "PGPORT": str(parts.port or ""),
        "PGDATABASE": unquote(parts.path[1:]),
    }
    settings |= {name: text for name, text in in_front.items() if text}
    kept = {name: given[name] for name in ("HOME", "PATH") if name in given}
    return {"LC_ALL": "C.UTF-8", "PGCONNECT_TIMEOUT": CONNECT_S, **kept, **settings}


def _hosts(texts: list[str]) -> dict[str, str]:
    """Several hosts, each with a port of its own, as SQLAlchemy takes them: ?host=a:5432&host=b."""
    if len(texts) < 2:
        return {}
    hosts, ports = zip(
        *((host, port) for host, _, port in (text.partition(":") for text in texts)), strict=True
    )
    return {"PGHOST": ",".join(hosts), "PGPORT": ",".join(port or "5432" for port in ports)}
