"""Fixtures for all tests. The database and the wiped environment come from `tests.embedded`."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from apps.broker.testing import SentTasks, sending
from tests.servers import rabbitmq, redis
from tests.system.stack import Stack


@pytest.fixture
def sent_tasks(db: None) -> Iterator[SentTasks]:
    """Tasks are sent, and not run; called, it gives those that were."""
    with sending() as sent:
        yield sent


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A running stack that tests share and leave as they found it."""
    with Stack(environ={"UPLOAD_MAX_MB": "1"}) as running:
        yield running.start()


@pytest.fixture(scope="session")
def rabbitmq_url() -> Iterator[str]:
    """The real RabbitMQ, one for all tests."""
    _must_be_there(rabbitmq.is_installed(), "rabbitmq-server")
    with rabbitmq.serving() as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The real Redis."""
    _must_be_there(redis.is_installed(), "redis-server")
    with redis.serving() as url:
        yield url


def _must_be_there(is_installed: bool, package: str) -> None:
    """Without the server its tests skip; not in CI, where that would be a lie."""
    if not is_installed:
        reason = f"no {package}: apt install {package}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
