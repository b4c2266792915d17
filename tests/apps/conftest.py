"""Fixtures for the tests of all apps."""

from __future__ import annotations

import pytest
from pytest_django import Settings


@pytest.fixture(autouse=True)
def _no_collected_files(settings: Settings) -> None:
    """No `collectstatic` before a test: WhiteNoise looks when it is asked, instead of at its start."""
    settings.WHITENOISE_AUTOREFRESH = True
