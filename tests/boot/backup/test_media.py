"""The files of MEDIA_ROOT: what is listed, and how a backup's take their place."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from boot.backup import archive, media
from boot.backup.archive import Contents, Writer
from boot.backup.errors import Unavailable, WrongConfiguration

FACTS = {"created": "", "database": "", "server": "", "server_major": 16, "pg_dump_major": 16}
NAMES = ("uploads/ab/one", "uploads/with space/ünï", "line\nend/x", "top")


class Backup(NamedTuple):
    descriptor: int
    contents: Contents


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A MEDIA_ROOT with some files, each holding its own name."""
    for name in NAMES:
        path = tmp_path / "media" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "media/empty").mkdir(mode=0o750)
    (tmp_path / "media/top").chmod(0o640)
    os.utime(tmp_path / "media/top", (1_600_000_000, 1_600_000_000))
    return tmp_path / "media"


@pytest.fixture
def backup(root: Path, tmp_path: Path) -> Iterator[Backup]:
    """An open backup of it."""
    with (tmp_path / "x.tar").open("w+b", buffering=0) as file:
        writer = Writer(file.fileno())
        writer.add("database.dump", iter([]))
        for entry in media.walk(root):
            if entry.is_folder:
                writer.add_folder(f"media/{entry.path}", entry.mode)
            else:
                content = media.content(root / entry.path)
                assert content is not None
                writer.add(f"media/{entry.path}", content, entry.mode, entry.mtime)
        writer.finish(FACTS, 0)
        yield Backup(file.fileno(), archive.check(file.fileno()))


def _restore(root: Path, backup: Backup) -> None:
    staging = media.Staging(root)
    with staging.alone():
        staging.fill(backup.contents, backup.descriptor, lambda count: None)
        staging.swap(backup.contents)


def _tree(root: Path) -> dict[str, object]:
    """Each path with its mode, and a file's content and time."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        mode = stat.S_IMODE(status.st_mode)
        found[str(path.relative_to(root))] = (
            mode if path.is_dir() else (mode, int(status.st_mtime), path.read_bytes())
        )
    return found


def test_all_files_and_folders_are_listed_each_folder_first(root: Path) -> None:
    """In a fixed order."""
    assert [entry.path for entry in media.walk(root)] == [
        "empty", "line\nend", "line\nend/x", "top", "uploads", "uploads/ab", "uploads/ab/one",
        "uploads/with space", "uploads/with space/ünï",
    ]  # fmt: skip


def test_no_folder_is_no_file(tmp_path: Path) -> None:
    """Nothing was ever uploaded."""
    assert list(media.walk(tmp_path / "none")) == []


def test_what_is_ours_or_the_file_systems_is_left_out(root: Path) -> None:
    """What a killed restore staged, and lost+found, at the top alone."""
    before = list(media.walk(root))
    for name in (".restore-123", "lost+found"):
        (root / name / "within").mkdir(parents=True)
    assert list(media.walk(root)) == before
    (root / "uploads/lost+found").mkdir()
    assert len(list(media.walk(root))) == len(before) + 1


def test_a_link_is_refused(root: Path, tmp_path: Path) -> None:
    """Followed, it would leave MEDIA_ROOT; left out, the backup would lack files and nobody know."""
    shutil.move(root / "uploads", tmp_path / "elsewhere")
    (root / "uploads").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(WrongConfiguration, match="uploads' is a link"):
        list(media.walk(root))


def test_a_special_file_is_refused(root: Path) -> None:
    """Reading a pipe would never end."""
    os.mkfifo(root / "pipe")
    with pytest.raises(WrongConfiguration, match="neither file nor folder"):
        list(media.walk(root))


def test_what_vanishes_meanwhile_is_left_out(root: Path) -> None:
    """A clean-up removed it: a folder, a file before it is looked at, a file before it is opened."""
    listed = []
    for entry in media.walk(root):
        listed.append(entry.path)
        if entry.path == "empty":
            (root / "top").unlink()
        if entry.path == "uploads":
            shutil.rmtree(root / "uploads/ab")
    assert listed == [
        "empty",
        "line\nend",
        "line\nend/x",
        "uploads",
        "uploads/with space",
        "uploads/with space/ünï",
    ]
    assert media.content(root / "top") is None


def test_a_file_that_cannot_be_read_is_an_error(root: Path) -> None:
    """By its name. A folder in a file's place is one that even root cannot read."""
    with pytest.raises(Unavailable, match="ab' cannot be read"):
        list(media.content(root / "uploads/ab") or ())


def test_a_restore_brings_back_all_and_nothing_else(root: Path, backup: Backup) -> None:
    """Contents, modes, times and empty folders; what came since is gone, what was lost is there."""
    before = _tree(root)
    (root / "top").write_text("changed")
    (root / "top").chmod(0o600)
    shutil.rmtree(root / "uploads/ab")
    (root / "new/er").mkdir(parents=True)
    (root / "new/er/file").touch()
    (root / "uploads").chmod(0o700)
    _restore(root, backup)
    assert _tree(root) == before
    _restore(root, backup)
    assert _tree(root) == before


def test_a_folder_takes_a_files_place_and_the_other_way_round(root: Path, backup: Backup) -> None:
    """Whatever has the name."""
    before = _tree(root)
    (root / "top").unlink()
    (root / "top/x").mkdir(parents=True)
    shutil.rmtree(root / "uploads")
    (root / "uploads").touch()
    _restore(root, backup)
    assert _tree(root) == before


def test_a_restore_makes_the_folder(root: Path, backup: Backup) -> None:
    """On a new machine there is none."""
    before = _tree(root)
    shutil.rmtree(root)
    _restore(root, backup)
    assert _tree(root) == before


def test_staging_changes_nothing_that_is_seen(root: Path, backup: Backup) -> None:
    """And what a killed restore staged goes."""
    before = list(media.walk(root))
    (root / ".restore-1/uploads").mkdir(parents=True)
    staging = media.Staging(root)
    with staging.alone():
        staging.fill(backup.contents, backup.descriptor, lambda count: None)
    assert list(media.walk(root)) == before
    assert [path.name for path in root.glob(".restore-*")] == [f".restore-{os.getpid()}"]
    staging.clear()
    assert not list(root.glob(".restore-*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_root_restores_for_the_folders_owner(root: Path, backup: Backup) -> None:
    """Else the programs, which run as somebody else, could not read their own files."""
    os.chown(root, 12345, 12345)
    _restore(root, backup)
    assert {path.stat().st_uid for path in root.rglob("*")} == {12345}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_on_a_new_machine_the_folder_itself_is_given_too(root: Path, backup: Backup, tmp_path: Path) -> None:
    """To whoever has the folder above: a state folder that was made for the service."""
    shutil.rmtree(root)
    os.chown(tmp_path, 12345, 12345)
    new = tmp_path / "deep/media"
    _restore(new, backup)
    assert {path.stat().st_uid for path in (new.parent, new, *new.rglob("*"))} == {12345}


def test_two_restores_do_not_meet_in_one_folder(root: Path) -> None:
    """The second is refused, and takes nothing from the first."""
    with media.Staging(root).alone():
        with pytest.raises(Unavailable, match="another restore works in"), media.Staging(root).alone():
            pytest.fail("it was locked")
        assert root.exists()
    with media.Staging(root).alone():
        pass


def test_too_little_room_is_said_before_anything_is_written(root: Path, backup: Backup) -> None:
    """The old files stay until the new ones are all there."""
    huge = backup.contents.files[0]._replace(size=1 << 60)
    contents = Contents(backup.contents.facts, backup.contents.database, (), (huge,))
    with pytest.raises(Unavailable, match="make room"):
        media.Staging(root).fill(contents, backup.descriptor, lambda count: None)
    assert not list(root.glob(".restore-*"))
