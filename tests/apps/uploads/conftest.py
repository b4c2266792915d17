from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image
from pytest_django import Settings

from apps.accounts.models import User
from apps.uploads.models import Upload

Encode = Callable[..., bytes]


class MakeUpload(Protocol):
    def __call__(self, content: bytes = b"hello", **fields: Any) -> Upload: ...


@pytest.fixture(autouse=True)
def media(settings: Settings, tmp_path: Path) -> Path:
    """An empty folder for stored files."""
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.MEDIA_ROOT.mkdir()
    return tmp_path / "media"


@pytest.fixture
def stored(media: Path) -> Callable[[], list[Path]]:
    """All files in the store."""
    return lambda: sorted(path for path in media.rglob("*") if path.is_file())


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create_user("ada@example.org")


@pytest.fixture
def stranger(db: None) -> User:
    """Somebody else, and staff at that."""
    return User.objects.create_superuser("eve@example.org")


@pytest.fixture
def make_upload(owner: User) -> MakeUpload:
    """A row and its file, with no task queued."""

    def make(content: bytes = b"hello", **fields: Any) -> Upload:
        path = default_storage.save("uploads/aa/file", ContentFile(content))
        given = {"owner": owner, "name": "hello.txt", "size": len(content), "file": path}
        return Upload.objects.create(**given | fields)

    return make


@pytest.fixture
def sent() -> Callable[..., SimpleUploadedFile]:
    """A file as a view gets it from a browser."""

    def send(content: bytes = b"hello", name: str = "hello.txt", content_type: str = "text/plain") -> Any:
        return SimpleUploadedFile(name, content, content_type)

    return send


@pytest.fixture
def encode() -> Encode:
    """An image in a format of Pillow's; one half is orange, so that a turn can be seen."""

    def encoded(
        image_format: str, size: tuple[int, int] = (40, 20), mode: str = "RGB", **given: Any
    ) -> bytes:
        image = Image.new("RGB", size, "navy")
        image.paste("orange", (0, 0, size[0] // 2, size[1]))
        out = io.BytesIO()
        image.convert(mode).save(out, image_format, **given)
        return out.getvalue()

    return encoded
