"""The broker's URL: which ones are ours, and the pool of connections behind each."""

from __future__ import annotations

import difflib
import functools
import os
import re
import socket
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import psycopg
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from apps.broker import pooler

if TYPE_CHECKING:
    import kombu


# The client's keepalives, in seconds, unless the URL has others: a server that is away is noticed within
# 10 + 3 * 5 = 25 s, and what was sent to it and not confirmed within as long (milliseconds).
CONNECT: Final[Mapping[str, str]] = {
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",
    "fallback_application_name": "doorito broker",
}
POOL_SIZE: Final = 5  # connections kept for the next publisher of this process; more are opened as needed

# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
_SECRETS: Final = re.compile(
    r"([?&](?:password|sslpassword|scram_client_key|scram_server_key|oauth_client_secret)=)[^&]*"
)
_HOSTS: Final = re.compile(r"^(?P<scheme>[^:/]+://(?:[^@/]*@)?)(?P<hosts>[^/?]*,[^/?]*)(?P<rest>.*)$")


def parse(address: str) -> URL:
    """The URL; libpq's `host1:5432,host2:5432` as well, which SQLAlchemy writes as `?host=`.

    Raises ValueError, whose message holds no password.
    """
    if several := _HOSTS.match(address):
        hosts = "&".join(f"host={host}" for host in several["hosts"].split(","))
        path, _, query = several["rest"].partition("?")
        address = f"{several['scheme']}{path}?{hosts}{'&' if query else ''}{query}"
    try:
        url = make_url(address).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        message = (
            "the broker's URL cannot be read; accepted is sqla+postgresql://user:password@host:5432/database"
        )
        raise ValueError(message) from None
    if unknown := sorted(url.query.keys() - _known_options()):
        close = difflib.get_close_matches(unknown[0], _known_options(), n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(
            f"the broker's URL has an option that PostgreSQL's client does not know: {unknown[0]}{hint}"
        )
    # A socket's folder in the place of a host, which Django's URL may have: SQLAlchemy leaves it encoded.
    return url.set(host=unquote(url.host)) if url.host else url


@functools.cache
def _known_options() -> frozenset[str]:
    return frozenset(option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults())


def of(client: kombu.Connection) -> URL:
    """Where a kombu connection goes.

    Its URL, or the parts into which kombu takes apart the next one of several.
    """
    if "://" in (client.hostname or ""):
        return parse(client.hostname)
    return URL.create(
        "postgresql+psycopg", client.userid, client.password, client.hostname, client.port,
        (client.virtual_host or "").removeprefix("/") or None,
    )  # fmt: skip


def masked(address: str, mask: str) -> str:
    """The URL with its password hidden, and all secrets in its options."""
    # SQLAlchemy takes for one what is before the @, also a slash or a question mark.
    hidden = re.sub(r"(://[^:@/?]*:)[^@]*(?=@)", rf"\g<1>{mask}", address)
    return _SECRETS.sub(rf"\g<1>{mask}", hidden)


def libpq(url: URL) -> dict[str, Any]:
    """What libpq is given for a URL."""
    return dict(url.get_dialect()().create_connect_args(url)[1])


_engines: dict[tuple[str, float | None], Engine] = {}
_lock = threading.Lock()


def engine(url: URL, connect_timeout_s: float | None = None) -> Engine:
    """This process's engine for a URL; made at the first use."""
    key = (url.render_as_string(hide_password=False), connect_timeout_s)
    with _lock:
        if key not in _engines:
            arguments: dict[str, Any] = {
                name: value for name, value in CONNECT.items() if name not in url.query
            }
            if connect_timeout_s and "connect_timeout" not in url.query:
                arguments["connect_timeout"] = max(2, round(connect_timeout_s))  # libpq takes 1 for 2
            # psycopg would prepare what SQLAlchemy asks often; a pooler's next process would not know it.
            _engines[key] = create_engine(
                url,
                connect_args={"autocommit": True, "prepare_threshold": None, **arguments},
                pool_size=POOL_SIZE,
                max_overflow=-1,
                pool_use_lifo=True,
                pool_pre_ping=True,
                pool_reset_on_return=None,
                isolation_level="AUTOCOMMIT",
                use_native_hstore=False,  # asking for its number takes a transaction
            )
            event.listen(_engines[key], "connect", pooler.note)
        return _engines[key]


def close_idle() -> None:
    """Close the connections that nobody uses at the moment."""
    for known in _engines.values():
        known.pool.dispose()  # the pool stays: what is still in use comes back to it


def _forget_engines() -> None:
    # A forked child must neither use nor close its parent's connections.
    global _lock
    _lock = threading.Lock()
    for known in _engines.values():
        known.dispose(close=False)
    _engines.clear()


os.register_at_fork(after_in_child=_forget_engines)


def client_name() -> str:
    """How this process is called in the table of sessions and in a message's history."""
    return f"{socket.gethostname()}:{os.getpid()}"
