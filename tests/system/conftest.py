"""Fixtures of the system tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.databases import database, execute, url
from tests.system.stack import ROOT


@pytest.fixture(scope="session")
def migrated() -> Iterator[str]:
    """The name of a database with all migrations applied, to copy."""
    execute("CREATE DATABASE {}", "migrated")
    command = [sys.executable, str(Path(ROOT, "manage.py")), "migrate", "--verbosity", "0"]
    subprocess.run(command, env={"DATABASE_URL": url("migrated")}, cwd=ROOT, check=True)
    yield "migrated"
    execute("DROP DATABASE {} WITH (FORCE)", "migrated")


@pytest.fixture
def database_url(migrated: str) -> Iterator[str]:
    """A database with all migrations applied, on the tests' own server: spares a start its own."""
    with database(template=migrated) as address:
        yield address


@pytest.fixture
def empty_database_url() -> Iterator[str]:
    """A database without any table."""
    with database(template="template1") as address:
        yield address
