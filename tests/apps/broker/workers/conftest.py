"""Real workers, shared by the tests of a broker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.apps.broker.brokers import Broker
from tests.apps.broker.workers.site import Site


@pytest.fixture(scope="session")
def site(broker: Broker) -> Iterator[Site]:
    """A place of work with one worker, `main@site`: prefork, two processes."""
    with Site(broker) as site:
        site.worker("main", "-c", "2").wait_for("ready.")
        yield site


@pytest.fixture
def empty_site(broker: Broker) -> Iterator[Site]:
    """A place of work without a worker."""
    with Site(broker) as site:
        yield site
