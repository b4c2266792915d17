"""Fixtures of the scenarios: an engine, the image that they share, a database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scenarios import engine
from tests.scenarios.engine import Database


@pytest.fixture(scope="session", autouse=True)
def _engine() -> None:
    """Without an engine these tests skip; not in CI, where that would be a lie."""
    if not engine.is_there():
        reason = "no container engine answers `docker info`"
        if engine.is_ci():
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def image(_engine: None) -> str:
    """The image, built once as the README says; what does not change comes from the engine's cache."""
    done = engine.run("make", "docker-build")
    assert done.returncode == 0, done.stdout + done.stderr
    return engine.IMAGE


@pytest.fixture(scope="session")
def db(_engine: None) -> Iterator[Database]:
    """A PostgreSQL that scenarios share; each takes a database of its own in it."""
    with Database() as server:
        yield server


@pytest.fixture(scope="session")
def migrated(image: str, db: Database) -> Iterator[str]:
    """The name of a database with all migrations applied, to copy."""
    with db.database() as url:
        with db.container("doorito", "run", "manage", "migrate", DATABASE_URL=url) as container:
            assert container.wait() == 0, container.log
        yield url.rpartition("/")[2]


@pytest.fixture
def database_url(db: Database, migrated: str) -> Iterator[str]:
    """A database with all migrations applied: spares a container its own."""
    with db.database(template=migrated) as url:
        yield url
