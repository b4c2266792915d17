"""What is said of a database that cannot be used, and what then helps."""

from __future__ import annotations

import pytest

from boot.refusals import understand


@pytest.mark.parametrize(
    ("reason", "mend"),
    [
        ('FATAL: password authentication failed for user "doorito"', "DATABASE_PASSWORD"),
        ("connection failed: fe_sendauth: no password supplied", "DATABASE_PASSWORD"),
        ('FATAL: role "doorito" does not exist', "create it on the server"),
        ('FATAL: Peer authentication failed for user "doorito"', "name the user in DATABASE_URL"),
        ('FATAL: database "doorito" does not exist', "create it on the server"),
    ],
)
def test_a_database_that_refuses_us_says_what_to_mend(reason: str, mend: str) -> None:
    """It answers, so waiting would change nothing."""
    refusal = understand(reason)
    assert refusal.is_final
    assert mend in refusal.mend


@pytest.mark.parametrize(
    ("reason", "mend"),
    [
        ("connection refused", "start the server"),
        ("the database system is starting up", "whose log may say more"),
        ("sorry, too many clients already", "max_connections"),
        ('could not translate host name "db" to address', "the name service"),
        ("[Errno -2] Name or service not known", "the name service"),
        ("connection timeout expired", "firewall"),
        ("received invalid response to SSL negotiation: H", "no PostgreSQL"),
        ('no pg_hba.conf entry for host "192.0.2.1", user "doorito"', "pg_hba.conf"),
    ],
)
def test_a_database_that_is_away_is_worth_waiting_for(reason: str, mend: str) -> None:
    """It may come, or may be being set up."""
    refusal = understand(reason)
    assert not refusal.is_final
    assert mend in refusal.mend


def test_another_variable_is_named_where_it_names_the_database() -> None:
    """And DATABASE_PASSWORD is not, which belongs to DATABASE_URL alone."""
    refusal = understand('FATAL: password authentication failed for user "doorito"', "CELERY_BROKER_URL")
    assert refusal.is_final
    assert refusal.mend == "set the right user in CELERY_BROKER_URL, and the right password there"
