"""What holds on RabbitMQ holds on our broker: the same test runs against both."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.apps.broker.brokers import Broker, Wire
from tests.apps.broker.client import Client
from tests.servers import rabbitmq as rabbitmq_server


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[Broker]:
    """The real RabbitMQ."""
    with rabbitmq_server.serving() as url:
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.port
        elsewhere = url.replace(f":{parts.port}/", ":{port}/")
        yield Broker("rabbitmq", url, elsewhere, (parts.hostname, parts.port))


@pytest.fixture(scope="session")
def postgres() -> Broker:
    """Ours."""
    pytest.skip("not there yet")


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
