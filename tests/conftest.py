"""Fixtures for all tests. The database and the wiped environment come from `tests.embedded`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from apps.broker.testing import SentTasks, sending
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
