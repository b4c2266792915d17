"""The check of the migrations."""

from __future__ import annotations

import pytest

from boot.doctor import migrations
from boot.doctor.finding import Level
from boot.doctor.server import Server
from tests.boot.doctor.deployments import deployment

PENDING = Server("postgresql", pending=("a.0001", "b.0001", "b.0002", "b.0003", "c.0001"))


def test_applied_migrations_are_well() -> None:
    """None is pending."""
    assert migrations.check(deployment(), Server("postgresql", pending=())).level is Level.OK


@pytest.mark.parametrize(
    ("role", "run", "level"),
    [
        ("all", "", Level.WARNING),
        ("all", "false", Level.ERROR),
        ("web", "", Level.ERROR),
        ("web", "true", Level.WARNING),
        (None, "", Level.WARNING),
    ],
)
def test_pending_ones_are_an_error_where_no_start_applies_them(
    role: str | None, run: str, level: Level
) -> None:
    """It names the first of them, how many there are, and the command."""
    finding = migrations.check(deployment(role, RUN_MIGRATIONS=run), PENDING)
    assert finding.level is level
    assert finding.message == "5 are not applied: a.0001, b.0001, b.0002 and 2 more"
    assert "`doorito run manage migrate`" in finding.mend


def test_a_single_one_is_named() -> None:
    """Grammar included."""
    finding = migrations.applied(Server("postgresql", pending=("a.0001",)), at_start=False)
    assert finding.message == "1 is not applied: a.0001"


def test_a_table_that_cannot_be_read_is_an_error() -> None:
    """A new user without rights, say."""
    reason = "permission denied for table django_migrations"
    finding = migrations.applied(Server("postgresql", pending_reason=reason), at_start=True)
    assert finding.level is Level.ERROR
    assert reason in finding.message


def test_a_database_that_is_not_made_yet_has_none() -> None:
    """SQLite's file."""
    assert migrations.applied(Server("sqlite", is_new=True), at_start=False).level is Level.WARNING
