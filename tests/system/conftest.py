"""Fixtures of the system tests."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from boot.env import load
from tests.system.stack import ROOT

_numbers = itertools.count(1)


def _url(name: str) -> str:
    """The address of a database on the tests' own server."""
    server, _, query = str(load()["DATABASE_URL"]).partition("?")
    return f"{server.rpartition('/')[0]}/{name}?{query}"


def _execute(statement: str, *names: str) -> None:
    with psycopg.connect(_url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@pytest.fixture(scope="session")
def migrated() -> Iterator[str]:
    """The name of a database with all migrations applied, to copy."""
    _execute("CREATE DATABASE {}", "migrated")
    command = [sys.executable, str(Path(ROOT, "manage.py")), "migrate", "--verbosity", "0"]
    subprocess.run(command, env={"DATABASE_URL": _url("migrated")}, cwd=ROOT, check=True)
    yield "migrated"
    _execute("DROP DATABASE {} WITH (FORCE)", "migrated")


@pytest.fixture
def database_url(migrated: str) -> Iterator[str]:
    """A database with all migrations applied, on the tests' own server: spares a start its own."""
    name = f"stack_{next(_numbers)}"
    _execute("CREATE DATABASE {} TEMPLATE {}", name, migrated)
    yield _url(name)
    _execute("DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture
def empty_database_url() -> Iterator[str]:
    """A database without any table."""
    name = f"stack_{next(_numbers)}"
    _execute("CREATE DATABASE {}", name)
    yield _url(name)
    _execute("DROP DATABASE {} WITH (FORCE)", name)
