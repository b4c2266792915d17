from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import FileSystemStorage
from django.utils import timezone
from pytest_django import Settings

from apps.uploads import services, strays
from apps.uploads.models import Upload

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
Stored = Callable[[], list[Path]]
Stray = Callable[..., Path]


class Stuck(FileSystemStorage):
    """Cannot delete one of its files."""

    def delete(self, name: str) -> None:
        if name.endswith("stuck"):
            raise PermissionError(name)
        super().delete(name)


def age(path: Path, age: timedelta) -> None:
    then = (timezone.now() - age).timestamp()
    os.utime(path, (then, then))


@pytest.fixture
def stray(media: Path) -> Stray:
    """A file without a row."""

    def make(name: str, old: timedelta = 2 * DAY) -> Path:
        path = media / "uploads" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"left over")
        age(path, old)
        return path

    return make


def test_a_file_without_a_row_goes(
    make_upload: Callable[..., Upload], encode: Callable[..., bytes], stray: Stray, stored: Stored
) -> None:
    """A day after it came, and however old those with rows are: neither they nor their thumbnails."""
    services.process(make_upload(encode("PNG")).pk)
    make_upload()
    kept = stored()
    for path in kept:
        age(path, 9 * DAY)
    kept.append(stray("aa/young", DAY - timedelta(minutes=1)))
    stray("aa/old")
    stray("ab/old")
    assert strays.sweep(timezone.now()) == 2
    assert stored() == sorted(kept)


def test_an_empty_store_is_swept_too() -> None:
    """Nothing was ever uploaded, so there is no folder either."""
    assert strays.sweep(timezone.now()) == 0


def test_a_sweep_has_an_end(stray: Stray, monkeypatch: pytest.MonkeyPatch) -> None:
    """By files and by folders; further runs go on."""
    monkeypatch.setattr(strays, "MOST_FILES", 2)
    monkeypatch.setattr(strays, "MOST_FOLDERS", 1)
    for name in ("aa/1", "aa/2", "aa/3", "ab/1", "ab/2", "ab/3"):
        stray(name)
    swept = [strays.sweep(timezone.now()) for _ in range(2)]
    assert swept in ([2, 2], [2, 1])


def test_a_file_that_cannot_be_deleted_stops_no_sweep(
    stray: Stray, stored: Stored, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged by its name."""
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.Stuck"}}
    stuck = stray("aa/a-stuck")
    stray("aa/b")
    assert strays.sweep(timezone.now()) == 1
    assert stored() == [stuck]
    assert "uploads/aa/a-stuck" in caplog.text
