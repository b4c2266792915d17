"""The backup's file while it is written."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest

from boot.backup.errors import Unavailable, WrongUse
from boot.backup.target import refuse_unfit, writing


def test_a_file_gets_its_name_when_it_is_whole(tmp_path: Path) -> None:
    """Until then it has another; nobody else may read it."""
    path = tmp_path / "x.tar"
    with writing(path, force=False) as descriptor:
        os.write(descriptor, b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    """Also where an older file is there: that stays as it was."""
    path = tmp_path / "x.tar"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), writing(path, force=True):
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_backup_left_is_removed(tmp_path: Path) -> None:
    """Not so what another one is writing: that is locked."""
    path = tmp_path / "x[1].tar"
    left, busy, foreign = (
        tmp_path / name for name in ("x[1].tar.partial-1", "x[1].tar.partial-2", "x1.tar.partial-3")
    )
    for file in (left, busy, foreign):
        file.touch()
    with busy.open() as locked:
        fcntl.flock(locked, fcntl.LOCK_EX)
        with writing(path, force=False):
            assert not left.exists()
    assert busy.exists()
    assert foreign.exists()


def test_a_file_that_came_meanwhile_is_kept(tmp_path: Path) -> None:
    """Somebody else's backup, most likely."""
    path = tmp_path / "x.tar"
    with pytest.raises(WrongUse, match="by now"), writing(path, force=False):
        path.write_bytes(b"other")
    assert path.read_bytes() == b"other"


def test_what_cannot_be_is_said_at_once(tmp_path: Path) -> None:
    """A file that is there, no file, no folder, and the folder that is backed up."""
    media, there = tmp_path / "media", tmp_path / "there"
    media.mkdir()
    there.touch()
    with pytest.raises(WrongUse, match="--force"):
        refuse_unfit(there, False, media)
    refuse_unfit(there, True, media)
    with pytest.raises(WrongUse, match="no file"):
        refuse_unfit(Path("/dev/null"), True, media)
    with pytest.raises(Unavailable, match="no folder"):
        refuse_unfit(tmp_path / "none" / "x", False, media)
    with pytest.raises(WrongUse, match="MEDIA_ROOT"):
        refuse_unfit(media / "x", False, media)


def test_a_folder_that_cannot_be_written_is_said() -> None:
    """By its path and the system's reason."""
    with (
        pytest.raises(Unavailable, match=r"/proc/x\.tar cannot be written"),
        writing(Path("/proc/x.tar"), False),
    ):
        pass
