"""What holds on RabbitMQ holds on our broker: the same test runs against both."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from amqp.exceptions import AMQPNotImplementedError
from django.core.management import call_command
from django.db import connections
from pytest_django import DjangoDbBlocker

import boot.celery  # noqa: F401 - it registers the transport for sqla+postgresql
from boot import places
from tests import embedded
from tests.apps.broker.brokers import Broker, Wire
from tests.apps.broker.client import Client

DATABASE = "conformance"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "refused(why): RabbitMQ does this; ours says that it does not")


# What runs against RabbitMQ each time; the rest of its side, which changes as seldom as RabbitMQ does, is for
# `make test-reference`. Against ours everything always runs.
ALWAYS = ("test_simple.py", "test_order.py", "test_acknowledgement.py", "test_a_worker_answers_a_ping")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark RabbitMQ's side of the conformance tests as the reference that it is."""
    for item in items:
        parameters = getattr(item, "callspec", None)
        is_reference = parameters is not None and parameters.params.get("broker") == "rabbitmq"
        if is_reference and not any(name in item.nodeid for name in ALWAYS):
            item.add_marker(pytest.mark.reference)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """What is marked as refused has to be refused by ours, in so many words."""
    refused = pyfuncitem.get_closest_marker("refused")
    if not refused or cast("Broker", pyfuncitem.funcargs["broker"]).name != "postgres":
        return (yield)
    with pytest.raises(AMQPNotImplementedError):
        yield
    return True


@pytest.fixture(scope="session")
def rabbitmq(rabbitmq_url: str) -> Broker:
    """The real RabbitMQ."""
    parts = urlsplit(rabbitmq_url)
    assert parts.hostname
    assert parts.port
    elsewhere = rabbitmq_url.replace(f":{parts.port}/", ":{port}/")
    return Broker("rabbitmq", rabbitmq_url, elsewhere, (parts.hostname, parts.port))


@pytest.fixture(scope="session")
def postgres(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Broker]:
    """Ours, in a database of its own, which ends with whoever is still connected to it."""
    with django_db_blocker.unblock(), connections["default"].cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {DATABASE}")
        _migrate()
    folder = places.postgres_socket_dir(embedded.STATE_DIR, embedded.FOLDER / "run")
    yield Broker(
        "postgres",
        f"sqla+postgresql://doorito@/{DATABASE}?host={folder}",
        f"sqla+postgresql://doorito@127.0.0.1:{{port}}/{DATABASE}",
        f"{folder}/.s.PGSQL.5432",
    )
    with django_db_blocker.unblock(), connections["default"].cursor() as cursor:
        cursor.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


def _migrate() -> None:
    connections.databases[DATABASE] = {**connections["default"].settings_dict, "NAME": DATABASE}
    call_command("migrate", "broker", database=DATABASE, verbosity=0)
    connections[DATABASE].close()
    del connections[DATABASE], connections.databases[DATABASE]


@pytest.fixture(scope="session", params=["rabbitmq", "postgres"])
def broker(request: pytest.FixtureRequest) -> Broker:
    """Both brokers, one after the other."""
    found: Broker = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def broker_url(broker: Broker) -> str:
    return broker.url


@pytest.fixture
def connect(broker: Broker) -> Iterator[Callable[..., Client]]:
    """Opens connections, which end with the test."""
    with contextlib.ExitStack() as connections:

        def connect(url: str = broker.url, **options: Any) -> Client:
            client = Client(url, **options)
            connections.callback(client.close)
            return client

        yield connect


@pytest.fixture
def client(connect: Callable[..., Client]) -> Client:
    return connect()


@pytest.fixture
def other(connect: Callable[..., Client]) -> Client:
    """A second connection."""
    return connect()


@pytest.fixture
def wire(broker: Broker) -> Iterator[Wire]:
    """A way to the broker that can be cut."""
    with Wire(broker) as wire:
        yield wire
