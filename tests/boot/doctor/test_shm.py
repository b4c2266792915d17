"""/dev/shm."""

from __future__ import annotations

from pathlib import Path

from boot.doctor import shm
from boot.doctor.finding import Level
from boot.doctor.sizes import MIB


def test_a_folder_with_room_is_well(tmp_path: Path) -> None:
    """Any will do for that; the real one holds nothing of ours afterwards."""
    assert shm.check(tmp_path).level is Level.OK
    assert list(tmp_path.iterdir()) == []


def test_a_missing_one_is_an_error(tmp_path: Path) -> None:
    """gunicorn would not start."""
    finding = shm.check(tmp_path / "shm")
    assert finding.level is Level.ERROR
    assert finding.message == "cannot be written into (No such file or directory)"
    assert "--shm-size" in finding.mend


def test_one_that_cannot_be_written_into_is_an_error() -> None:
    """As on a read-only root without a tmpfs."""
    assert shm.check(Path("/proc")).level is Level.ERROR


def test_a_full_one_is_a_warning() -> None:
    """Something fills it that is not ours."""
    finding = shm.enough(1 * MIB)
    assert (finding.level, finding.message) == (Level.WARNING, "1 MiB are free, less than 4 MiB")
