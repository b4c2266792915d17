"""The checks of the database itself and of its version."""

from __future__ import annotations

import pytest

from boot.doctor import reachability
from boot.doctor.finding import Level
from boot.doctor.server import Server
from tests.boot.doctor.deployments import PASSWORD, deployment

REFUSED = 'connection failed: connection to server at "127.0.0.1", port 5433 failed: Connection refused'


def test_a_server_that_answers_is_named_without_its_password() -> None:
    """Both findings are well."""
    found = list(reachability.check(deployment(), Server("postgresql", version=160004)))
    assert [finding.level for finding in found] == [Level.OK, Level.OK]
    assert found[0].message == "postgresql://doorito:***@db.internal:5432/doorito answers"
    assert found[1].message == "PostgreSQL 16.4"


def test_a_server_that_does_not_answer_is_an_error() -> None:
    """With the driver's reason, and nothing is said of its version."""
    (finding,) = reachability.check(deployment(), Server("postgresql", reason=REFUSED))
    assert finding.level is Level.ERROR
    assert REFUSED in finding.message
    assert PASSWORD not in finding.message


@pytest.mark.parametrize(("production", "level"), [(True, Level.ERROR), (False, Level.WARNING)])
def test_an_old_server_is_named(production: bool, level: Level) -> None:
    """An error in production, a warning in development."""
    finding = reachability.recent(Server("postgresql", version=150013), production)
    assert finding.level is level
    assert "PostgreSQL 15.13 is older than 16" in finding.message


def test_a_pooler_in_between_is_a_warning() -> None:
    """Locks that belong to a session need one."""
    finding = reachability.reachable(Server("postgresql", is_pooled=True), "postgresql://pooler/doorito")
    assert finding.level is Level.WARNING
    assert "session" in finding.mend


def test_sqlite_is_well_in_development() -> None:
    """Its version is of no interest; a file that is not there yet has a command that makes it."""
    found = list(reachability.check(deployment(DATABASE_URL="sqlite:///db.sqlite3"), Server("sqlite")))
    assert [finding.level for finding in found] == [Level.OK, Level.SKIPPED]
    new = reachability.reachable(Server("sqlite", is_new=True), "sqlite:///db.sqlite3")
    assert (new.level, new.mend) == (Level.WARNING, "`doorito run manage migrate` makes it")
