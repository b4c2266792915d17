from __future__ import annotations

import pytest
from pytest_django import Settings

from apps.accounts.models import User

PASSWORD = "a long and quiet road"


@pytest.fixture(autouse=True)
def _quick_hashes(settings: Settings) -> None:
    """Hashing a password well takes a second, which these tests would spend many times."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def ada(db: None) -> User:
    """An account; its password is `PASSWORD`."""
    return User.objects.create_user("ada@example.org", PASSWORD)
