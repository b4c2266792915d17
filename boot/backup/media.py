"""The files of MEDIA_ROOT: listed, staged beside the old ones, and put in their place."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from boot.backup import archive
from boot.backup.archive import CHUNK, MEDIA, Contents, Member
from boot.backup.errors import Unavailable, WrongConfiguration
from boot.backup.progress import readable

STAGING: Final = ".restore-"  # a pid follows
NOT_OURS: Final = "lost+found"  # of a file system of its own
FOLDER_MODE: Final = 0o700
SPARE: Final = 16 << 20  # bytes that are left free


class Entry(NamedTuple):
    """A file or folder; `path` is below MEDIA_ROOT."""

    path: str
    is_folder: bool
    size: int  # bytes
    mode: int  # permission bits
    mtime: int  # seconds since the epoch


def walk(root: Path, below: str = "") -> Iterator[Entry]:
    """All there is, sorted, each folder before what is in it; what vanishes meanwhile is left out.

    Raises WrongConfiguration where something is neither file nor folder, Unavailable where something
    cannot be read.
    """
    for name in _names(root / below):
        if not below and (name.startswith(STAGING) or name == NOT_OURS):
            continue
        path = os.path.join(below, name)  # noqa: PTH118 - a string: Path would cost more than the rest
        try:
            status = (root / path).lstat()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise Unavailable(f"{str(root / path)!r} cannot be read: {error.strerror}") from error
        entry = Entry(
            path, stat.S_ISDIR(status.st_mode), status.st_size, status.st_mode & 0o777, int(status.st_mtime)
        )
        if not entry.is_folder and not stat.S_ISREG(status.st_mode):
            kind = (
                "a link, which is not followed" if stat.S_ISLNK(status.st_mode) else "neither file nor folder"
            )
            message = f"MEDIA_ROOT: {str(root / path)!r} is {kind}; move it away, or set MEDIA_ROOT"
            raise WrongConfiguration(message)
        yield entry
        if entry.is_folder:
            yield from walk(root, path)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - names are enough
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Unavailable(f"{str(folder)!r} cannot be read: {error.strerror}") from error


def content(path: Path) -> Iterator[bytes] | None:
    """A file's content, None where it has vanished. Raises Unavailable."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unavailable(f"{str(path)!r} cannot be read: {error.strerror}") from error
    return _read(path, descriptor)


def _read(path: Path, descriptor: int) -> Iterator[bytes]:
    try:
        while chunk := os.read(descriptor, CHUNK):
            yield chunk
    except OSError as error:
        raise Unavailable(f"{str(path)!r} cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)


class Staging:
    """A backup's files in a folder within MEDIA_ROOT, from where a rename puts each in its place."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / f"{STAGING}{os.getpid()}"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """MEDIA_ROOT is there, and no other restore works in it inside this block. Raises Unavailable."""
        try:
            self._make_root()
            descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise Unavailable(f"MEDIA_ROOT, {self._root}, cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise Unavailable(f"another restore works in {self._root}; wait until it has ended") from error
        finally:
            os.close(descriptor)

    def _make_root(self) -> None:
        """What is missing, for whoever has the folder above: on a new machine that is not root."""
        self._owner = _owner(self._root)
        missing = [folder for folder in (self._root, *self._root.parents) if not folder.exists()]
        self._root.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        for folder in missing:
            self._give(folder)

    def fill(self, contents: Contents, descriptor: int, done: Callable[[int], None]) -> None:
        """Write all files, on the disk when this returns. Raises Unavailable."""
        try:
            self.clear()
            self._refuse_little_room(contents)
            self._folder.mkdir(mode=FOLDER_MODE)
            for member in contents.folders:
                self._staged(member).mkdir(mode=FOLDER_MODE)
            for member in contents.files:
                self._write(member, archive.chunks(descriptor, member), done)
        except OSError as error:
            message = f"the files cannot be written to MEDIA_ROOT, {self._root}: {error.strerror}"
            raise Unavailable(message) from error
        os.sync()  # before the database is replaced: after a power cut it must not name what is not there

    def swap(self, contents: Contents) -> None:
        """Put the staged files in place and remove what is not among them. Raises Unavailable."""
        try:
            for member in contents.folders:
                self._place_folder(member)
            for member in contents.files:
                _clear_way(self._target(member), is_folder=False)
                self._staged(member).replace(self._target(member))
            self._remove_others(contents)
            self.clear()
        except OSError as error:
            message = (
                f"the database is restored, but not all files in {self._root} are ({error.strerror}: "
                f"{error.filename!r}); mend that and run the same restore again"
            )
            raise Unavailable(message) from error
        os.sync()

    def clear(self) -> None:
        """Remove what was staged, also by a restore that was killed."""
        for folder in self._root.glob(f"{STAGING}*"):
            shutil.rmtree(folder)

    def _refuse_little_room(self, contents: Contents) -> None:
        room = shutil.disk_usage(self._root).free
        if room < contents.media_size + SPARE:
            message = (
                f"the files need {readable(contents.media_size + SPARE)} beside the old ones in "
                f"{self._root}, where {readable(room)} are free; make room"
            )
            raise Unavailable(message)

    def _dress_folder(self, folder: Path, mode: int) -> None:
        self._give(folder)
        folder.chmod(mode | FOLDER_MODE)  # whatever the umask; what cannot be entered cannot be filled

    def _write(self, member: Member, content: Iterable[bytes], done: Callable[[int], None]) -> None:
        path = self._staged(member)
        with path.open("xb", buffering=0) as file:
            for chunk in content:
                _write_all(file.fileno(), chunk)
                done(len(chunk))
        self._give(path)
        path.chmod(member.mode)
        os.utime(path, (member.mtime, member.mtime))

    def _give(self, path: Path) -> None:
        """Root restores for the user whose files these are."""
        if os.geteuid() == 0:
            os.chown(path, *self._owner)

    def _place_folder(self, member: Member) -> None:
        target = self._target(member)
        _clear_way(target, is_folder=True)
        target.mkdir(exist_ok=True)
        self._dress_folder(target, member.mode)

    def _remove_others(self, contents: Contents) -> None:
        kept = {member.name for member in (*contents.folders, *contents.files)}
        for entry in reversed(list(walk(self._root))):  # what is in a folder before the folder
            if MEDIA + entry.path not in kept:
                path = self._root / entry.path
                if entry.is_folder:
                    path.rmdir()
                else:
                    path.unlink()

    def _staged(self, member: Member) -> Path:
        return self._folder / member.name.removeprefix(MEDIA)

    def _target(self, member: Member) -> Path:
        return self._root / member.name.removeprefix(MEDIA)


def _owner(root: Path) -> tuple[int, int]:
    """User and group of the folder, or of the nearest above it that is there."""
    nearest = next(folder for folder in (root, *root.parents) if folder.exists())
    status = nearest.stat()
    return status.st_uid, status.st_gid


def _clear_way(target: Path, is_folder: bool) -> None:
    """Remove what has the name of a file that is to be a folder, or the other way round."""
    if is_folder and target.is_file():
        target.unlink()
    elif not is_folder and target.is_dir():
        shutil.rmtree(target)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
