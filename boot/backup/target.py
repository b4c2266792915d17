"""The backup's file while it is written: under another name, so that its own stands for a whole one."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from boot.backup.errors import Unavailable, WrongUse


def refuse_unfit(path: Path, force: bool, media_root: Path) -> None:
    """Say at once what would keep the file from being written. Raises WrongUse, Unavailable."""
    if path.is_relative_to(media_root):
        raise WrongUse(f"{path} is within MEDIA_ROOT, {media_root}; choose another folder")
    if path.exists() and not path.is_file():
        raise WrongUse(f"{path} is there and is no file; choose another name")
    if path.exists() and not force:
        raise WrongUse(f"{path} is there already; choose another name, or replace it with --force")
    if not path.parent.is_dir():
        raise Unavailable(f"there is no folder {path.parent}; make it first")


@contextlib.contextmanager
def writing(path: Path, force: bool) -> Iterator[int]:
    """A descriptor of a new file, which gets its name when the block ends well, and is gone otherwise.

    For nobody else to read: it holds all that the database holds. Raises WrongUse, Unavailable.
    """
    partial = path.with_name(f"{path.name}.partial-{os.getpid()}")
    try:
        _remove_abandoned(path)
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
        os.fsync(descriptor)
        if path.exists() and not force:
            raise WrongUse(f"{path} is there by now; choose another name, or replace it with --force")
        partial.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}") from error
    finally:
        os.close(descriptor)
        partial.unlink(missing_ok=True)


def _remove_abandoned(path: Path) -> None:
    """Remove what a backup left that was killed: nobody holds its lock."""
    for partial in path.parent.glob(f"{_literally(path.name)}.partial-*"):
        with contextlib.suppress(OSError), partial.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            partial.unlink()


def _literally(name: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


def _sync_folder(folder: Path) -> None:
    """Have the name on the disk as well."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
