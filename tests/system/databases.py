"""Databases on the tests' own server: spares a stack a server of its own."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

import psycopg
from psycopg import sql

from boot.env import load

_numbers = itertools.count(1)


def url(name: str) -> str:
    """The address of a database on the tests' own server."""
    server, _, query = str(load()["DATABASE_URL"]).partition("?")
    return f"{server.rpartition('/')[0]}/{name}?{query}"


def name_of(address: str) -> str:
    """The database's name in its address."""
    return address.rpartition("/")[2].partition("?")[0]


def execute(statement: str, *names: str) -> None:
    with psycopg.connect(url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextlib.contextmanager
def database(template: str) -> Iterator[str]:
    """The address of a copy of a database, for as long as the block runs."""
    name = f"stack_{next(_numbers)}"
    execute("CREATE DATABASE {} TEMPLATE {}", name, template)
    try:
        yield url(name)
    finally:
        execute("DROP DATABASE {} WITH (FORCE)", name)


@contextlib.contextmanager
def away(address: str) -> Iterator[None]:
    """Nobody can connect to the database, and nobody is, for as long as the block runs."""
    name = name_of(address)
    execute("ALTER DATABASE {} ALLOW_CONNECTIONS false", name)
    try:
        execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        yield
    finally:
        execute("ALTER DATABASE {} ALLOW_CONNECTIONS true", name)
