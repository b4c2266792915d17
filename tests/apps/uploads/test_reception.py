from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.uploads.models import Upload

pytestmark = pytest.mark.django_db


def test_a_file_larger_than_others_may_send_is_taken(
    client: Client, owner: User, sent: Callable[..., Any]
) -> None:
    """The general limit is for forms without large files; here the one of uploads holds instead."""
    client.force_login(owner)
    client.post(reverse("uploads:create"), {"files": sent(bytes(3_000_000))})
    assert Upload.objects.get().size == 3_000_000


def test_from_a_stranger_not_a_byte_is_taken(client: Client) -> None:
    """The answer leads to the log-in; the body stays unread, so no disk is filled."""
    body = io.BytesIO(bytes(10_000))
    extra: dict[str, Any] = {
        "CONTENT_TYPE": "multipart/form-data; boundary=x",
        "CONTENT_LENGTH": "10000",
        "wsgi.input": body,
    }
    response = client.generic("POST", reverse("uploads:create"), **extra)
    assert response.headers["Location"].startswith("/accounts/log-in/")
    assert body.tell() == 0
