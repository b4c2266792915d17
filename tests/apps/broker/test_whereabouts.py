"""Whether there is a broker of ours to look at."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from apps.broker import whereabouts


class _Elsewhere:
    def db_for_read(self, model: type, **_: Any) -> str:
        return "elsewhere"


def test_the_router_says_where_the_tables_are(settings: Settings) -> None:
    """A broker may have a database of its own."""
    settings.DATABASE_ROUTERS = [_Elsewhere()]
    assert whereabouts.alias() == "elsewhere"


@pytest.mark.parametrize("url", ["redis://localhost", "amqp://localhost", "memory://", "sqla+sqlite:///x"])
def test_another_broker_is_none_of_ours(url: str, settings: Settings) -> None:
    """It is named by its scheme alone: a URL may hold a password."""
    assert whereabouts.absence() is None
    settings.CELERY_BROKER_URL = url
    assert f"({url.partition('://')[0]})" in (whereabouts.absence() or "")
