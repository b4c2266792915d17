"""Django's databases: which of them the broker's URL names, and what that one is called by now.

A test runner renames a database; the broker in it is then renamed as well, or tests would send their tasks to
the real worker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakMethod

from django.db import connections

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

_PORT: Final = "5432"
# What libpq takes for this machine when it is left to choose, and what people write for it.
_SOCKETS: Final = {"", "/run/postgresql", "/var/run/postgresql", "/tmp"}  # noqa: S108
_HERE: Final = {"localhost", "127.0.0.1", "::1", *_SOCKETS}


class Place(NamedTuple):
    """A database, whoever logs in: user and password are no part of it."""

    servers: tuple[tuple[str, str], ...]  # host and port of each that may have it
    name: str


_places: dict[Place, str] = {}  # as configured, before a test runner renames them
_configured_names: dict[str, str] = {}
_creations: dict[str, Any] = {}
_users: dict[str, list[WeakMethod[Callable[[], None]]]] = {}  # of databases that a test runner will drop


def remember() -> None:
    """Note which databases Django has; called once, when the application is ready."""
    for alias in connections:
        connection = connections[alias]
        if connection.vendor == "postgresql":
            _places.setdefault(place_in(connection.settings_dict), alias)
            _configured_names[alias] = str(connection.settings_dict["NAME"])
            _creations[alias] = connection.creation


def postgresql() -> tuple[str, ...]:
    """The aliases of Django's databases on PostgreSQL."""
    return tuple(_creations)


def alias_of(url: URL) -> str | None:
    """The first of Django's databases that is the one which the URL names, as far as names can tell."""
    return _places.get(place_of(url))


def database_of(alias: str | None) -> str | None:
    """The name that the database goes by now."""
    return str(connections.settings[alias]["NAME"]) if alias else None


def followed(url: URL) -> URL:
    """The URL, with the name that its database goes by now."""
    name = database_of(alias_of(url))
    return url.set(database=name) if name else url


def is_renamed(alias: str | None) -> bool:
    """Whether this is a test runner's database, which ends with the tests."""
    return alias is not None and database_of(alias) != _configured_names[alias]


def before_drop(alias: str, close: Callable[[], None]) -> None:
    """Call a method before a test runner drops its database: PostgreSQL refuses while anybody is connected.

    A method whose object is gone is not called.
    """
    if alias not in _users:
        _users[alias] = []
        creation = _creations[alias]
        creation.destroy_test_db = _closing(alias, creation.destroy_test_db)
    _users[alias] = [known for known in _users[alias] if known()] + [WeakMethod(close)]


def _closing(alias: str, destroy: Callable[..., None]) -> Callable[..., None]:
    def destroy_test_db(*arguments: Any, **options: Any) -> None:
        for reference in _users[alias]:
            if close := reference():
                close()
        _users[alias].clear()
        from apps.broker import address  # here: SQLAlchemy is for those who connect

        address.close_idle()
        destroy(*arguments, **options)

    return destroy_test_db


def place_in(settings: Mapping[str, Any]) -> Place:
    """Of an entry of Django's DATABASES."""
    options = settings.get("OPTIONS") or {}
    hosts = str(settings["HOST"] or options.get("host") or "")
    ports = str(settings["PORT"] or options.get("port") or "")
    return Place(_servers(hosts.split(","), ports.split(",")), str(settings["NAME"]))


def place_of(url: URL) -> Place:
    """Of the broker's URL."""
    hosts, ports = [], []
    for given in _several(url.query.get("host")) or [url.host or ""]:
        host, _, port = given.partition(":") if given.count(":") == 1 else (given, "", "")
        hosts.append(host)
        ports.append(port or str(url.port or ""))
    if given_ports := _several(url.query.get("port")):
        ports = given_ports
    return Place(_servers(hosts, ports), url.database or "")


def _servers(hosts: list[str], ports: list[str]) -> tuple[tuple[str, str], ...]:
    each = ports if len(ports) == len(hosts) else ports[:1] * len(hosts)
    return tuple((_host(host), port or _PORT) for host, port in zip(hosts, each, strict=True))


def _host(written: str) -> str:
    host = written.strip().lower() if not written.startswith("/") else written.rstrip("/")
    return "localhost" if host in _HERE else host


def _several(value: str | tuple[str, ...] | None) -> list[str]:
    if value is None:
        return []
    return [part for one in ([value] if isinstance(value, str) else value) for part in one.split(",")]
