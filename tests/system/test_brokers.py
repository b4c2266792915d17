"""Other brokers are one variable away: the project's own worker, on the real servers."""

from __future__ import annotations

import pytest

from tests.system.stack import Stack

pytestmark = pytest.mark.system

# A task that every project has; what it gives back is None.
RUN = "from boot.celery import app; print(app.send_task('celery.backend_cleanup').get(timeout=60))"


@pytest.mark.parametrize("server", ["rabbitmq", "redis"])
def test_another_broker_is_one_variable_away(
    request: pytest.FixtureRequest, database_url: str, server: str
) -> None:
    """CELERY_BROKER_URL alone: the worker is ready there, does a task, gives its result, and stops."""
    url = request.getfixturevalue(f"{server}_url")
    with Stack("celery-worker", environ={"DATABASE_URL": database_url, "CELERY_BROKER_URL": url}) as stack:
        stack.start()
        assert stack.says(f"Connected to {url.partition(':')[0]}://")
        assert stack.manage(RUN) == "None"
        assert stack.stop() == 0
