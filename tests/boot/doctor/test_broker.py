"""Whether workers can take tasks from the broker's database."""

from __future__ import annotations

from boot.doctor import broker
from boot.doctor.finding import Level
from boot.doctor.server import Server


def test_a_broker_with_its_tables_is_well() -> None:
    """It says whose database that is."""
    found = broker.check(Server("postgresql", broker="broker"))
    assert (found.level, found.message) == (
        Level.OK,
        "its tables are in the database of CELERY_BROKER_URL",
    )


def test_another_kind_of_broker_is_not_looked_at() -> None:
    """RabbitMQ, Redis; or tasks that run at once."""
    assert broker.check(Server("sqlite")).level is Level.SKIPPED


def test_missing_tables_are_an_error_with_the_command() -> None:
    """But where the migrations make them, and are still to be applied, those are the finding."""
    found = broker.check(Server("sqlite", broker="broker", broker_lacks="lacks the broker's tables"))
    assert (found.level, found.mend) == (Level.ERROR, "`doorito broker migrate`")
    assert found.message == "the database of CELERY_BROKER_URL lacks the broker's tables"
    new = Server("postgresql", broker="default", broker_lacks="lacks", pending=("broker.0001_initial",))
    assert broker.check(new).level is Level.SKIPPED


def test_a_broker_that_is_away_is_an_error_with_the_reason() -> None:
    """And with what mends it, in the right variable."""
    found = broker.check(Server("postgresql", broker="broker", broker_reason="connection refused"))
    assert (found.level, found.message) == (
        Level.ERROR,
        "CELERY_BROKER_URL cannot be used: connection refused",
    )
    assert found.mend == "start the server, or mend host and port in CELERY_BROKER_URL"


def test_a_pooler_that_shares_connections_is_an_error() -> None:
    """Where the worker would end with 78."""
    found = broker.check(Server("postgresql", broker="default", is_broker_shared=True))
    assert found.level is Level.ERROR
    assert "pool by session" in found.mend
