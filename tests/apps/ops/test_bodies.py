from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from pytest_django import Settings

pytestmark = pytest.mark.django_db

MOST = 2_621_440  # bytes; Django's FILE_UPLOAD_MAX_MEMORY_SIZE


class Body(io.BytesIO):
    """A request's body that knows how much of it was asked for."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


def post(client: Client, url: str, size: int) -> tuple[Any, Body]:
    """The answer to a form with a file of that size, and its body as the answer left it."""
    content = encode_multipart(BOUNDARY, {"username": "ada", "file": SimpleUploadedFile("f", bytes(size))})
    body = Body(content)
    extra: dict[str, Any] = {
        "CONTENT_TYPE": MULTIPART_CONTENT,
        "CONTENT_LENGTH": str(len(content)),
        "wsgi.input": body,
    }
    return client.generic("POST", url, **extra), body


@pytest.fixture(autouse=True)
def _no_disk(settings: Settings, tmp_path: Path) -> None:
    """Whatever would put a file aside fails: the folder for that is not there."""
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "missing")


@pytest.mark.parametrize("url", ["/accounts/log-in/", "/admin/login/", "/accounts/password/reset/"])
@pytest.mark.parametrize("checks", [True, False], ids=["with CSRF", "without"])
def test_a_large_body_is_refused_unread(url: str, checks: bool) -> None:
    """No byte of it is taken, so none gets to the disk."""
    client = Client(enforce_csrf_checks=checks)
    client.cookies["csrftoken"] = "a" * 32  # with a cookie the check looks into the form
    response, body = post(client, url, MOST)
    assert response.status_code == 400
    assert body.taken == 0
    assert "held too much at once" in response.text


def test_a_small_file_still_arrives(client: Client) -> None:
    """As much as Django keeps in memory: enough for a form of the admin."""
    response, body = post(client, "/accounts/log-in/", MOST - 1000)
    assert response.status_code == 200
    assert list(response.wsgi_request.FILES) == ["file"]
    assert body.taken > MOST - 1000
