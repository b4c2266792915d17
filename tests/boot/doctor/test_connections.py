"""The connection budget."""

from __future__ import annotations

from boot.doctor import connections
from boot.doctor.finding import Finding, Level
from boot.doctor.server import Server
from tests.boot.doctor.deployments import deployment

SERVER = Server("postgresql", max_connections=100, reserved=3, here=18)


def _check(role: str | None = "all", server: Server = SERVER, **variables: str) -> Finding:
    return connections.check(deployment(role, **variables), server)


def test_the_sum_can_be_followed() -> None:
    """Threads with a connection of Django's and one of the broker's each, the worker, beat."""
    finding = _check()
    assert finding.level is Level.OK
    assert finding.message == (
        "46 = web 4 x (4 + 4) + celery-worker (4 + 4 x 2) + celery-beat 2 for role all, "
        "of 97 (max_connections 100 - 3 reserved); 18 open now"
    )


def test_more_than_the_server_gives_is_an_error() -> None:
    """It names the server's setting and the variables."""
    finding = _check(WEB_WORKERS="10", WEB_THREADS="8")
    assert finding.level is Level.ERROR
    assert finding.message.startswith("too many: 174 = web 10 x (8 + 8)")
    for name in ("max_connections", "WEB_WORKERS", "WEB_THREADS", "CELERY_CONCURRENCY"):
        assert name in finding.mend


def test_more_than_four_fifths_is_a_warning() -> None:
    """What is left is for commands, backups and whoever looks."""
    finding = _check(WEB_WORKERS="9")
    assert finding.level is Level.WARNING
    assert finding.message.startswith("more than 80%: 86 = ")
    assert _check(WEB_WORKERS="7").level is Level.OK


def test_other_databases_of_the_server_count() -> None:
    """Their connections come out of the same number."""
    finding = _check(server=Server("postgresql", max_connections=100, reserved=3, others=60))
    assert finding.level is Level.ERROR
    assert "of 37 (max_connections 100 - 3 reserved - 60 open in other databases)" in finding.message


def test_one_role_counts_its_own() -> None:
    """And says that the others are not in it."""
    finding = _check("celery-beat")
    assert finding.message.startswith("2 = celery-beat 2 for role celery-beat, of 97")
    assert finding.message.endswith("other roles take theirs as well")
    assert "lower" not in _check("celery-beat", Server("postgresql", max_connections=4, reserved=3)).mend


def test_a_broker_elsewhere_takes_none_of_these() -> None:
    """RabbitMQ, or another server; nor do tasks that run at once."""
    elsewhere = ("queue.internal:5432", "db.internal:5433", "db.internal,queue.internal:5433")
    for broker in ("amqp://rabbit", *(f"sqla+postgresql://doorito@{host}/doorito" for host in elsewhere)):
        assert _check(CELERY_BROKER_URL=broker).message.startswith("22 = web 4 x (4 + 0)")
    assert "web 4 x (4 + 0)" in _check(CELERY_TASK_ALWAYS_EAGER="true").message


def test_a_broker_in_another_database_of_the_server_counts() -> None:
    """The limit is the server's."""
    broker = "sqla+postgresql+psycopg://queue@DB.internal/parcels"
    assert _check(CELERY_BROKER_URL=broker).message.startswith("46 = web 4 x (4 + 4)")


def test_a_process_publishes_through_ten_connections_at_most() -> None:
    """Celery's pool is as large as that, however many threads there are."""
    assert "web 1 x (64 + 10)" in _check(WEB_WORKERS="1", WEB_THREADS="64").message


def test_what_cannot_be_counted_is_not_checked() -> None:
    """SQLite, a pooler, a number that cannot be read."""
    assert _check(server=Server("sqlite")).level is Level.SKIPPED
    pooled = Server("postgresql", max_connections=100, is_pooled=True)
    assert "pooler" in _check(server=pooled).message
    assert _check(WEB_WORKERS="many").message == "not checked: WEB_WORKERS could not be read"
