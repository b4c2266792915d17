"""The broker's transport."""

from __future__ import annotations

import pytest
from kombu import Connection
from kombu.exceptions import OperationalError

import boot.celery  # noqa: F401 - it registers the transport for sqla+postgresql


def test_a_broker_that_is_away_is_noticed_when_connecting() -> None:
    """Not at the first poll: Celery waits longer between tries only when connecting fails."""
    away = Connection("sqla+postgresql://nobody@127.0.0.1:1/nothing")
    tries: list[str] = []
    with pytest.raises(OperationalError, match="Connection refused"):
        away.ensure_connection(lambda e, _: tries.append(str(e)), 2, interval_start=0, interval_step=0)
    assert len(tries) == 2
