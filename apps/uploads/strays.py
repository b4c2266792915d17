"""Files in the store that no upload names: their process was killed between the one and the other."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from random import SystemRandom
from typing import Final

from django.core.files.storage import default_storage
from django.db.models import Q

from apps.uploads.models import Upload
from apps.uploads.services import FOLDER

logger = logging.getLogger(__name__)

GRACE: Final = timedelta(days=1)  # the row of a younger file may not be committed yet
MOST_FILES: Final = 1000  # in one run
MOST_FOLDERS: Final = 16  # in one run, of 256: each costs a reading of the table


def sweep(now: datetime) -> int:
    """Delete them from some folders, which chance chooses; returns how many.

    What cannot be deleted is logged and left to another run.
    """
    return sum(map(_is_deleted, islice(_strays(now - GRACE), MOST_FILES)))


def _strays(before: datetime) -> Iterator[str]:
    for folder in _some_folders():
        # Files first, rows second: a row that is committed in between is seen.
        old = [path for path in _files(folder) if _is_older(path, before)]
        named = _named(folder) if old else set()
        yield from (path for path in old if path not in named)


def _some_folders() -> list[str]:
    try:
        folders, _ = default_storage.listdir(FOLDER)
    except FileNotFoundError:  # nothing was ever uploaded
        return []
    return [f"{FOLDER}/{name}" for name in SystemRandom().sample(folders, min(MOST_FOLDERS, len(folders)))]


def _files(folder: str) -> list[str]:
    _, names = default_storage.listdir(folder)
    return [f"{folder}/{name}" for name in names]


def _is_older(path: str, before: datetime) -> bool:
    try:
        return default_storage.get_modified_time(path) < before
    except FileNotFoundError:  # deleted meanwhile
        return False


def _named(folder: str) -> set[str]:
    """The files in a folder that rows name."""
    within = Q(file__startswith=f"{folder}/") | Q(thumbnail__startswith=f"{folder}/")
    rows = Upload.objects.filter(within).values_list("file", "thumbnail")
    return {path for row in rows for path in row}


def _is_deleted(path: str) -> bool:
    try:
        default_storage.delete(path)
    except OSError:
        logger.exception("%s belongs to no upload but could not be deleted", path)
        return False
    return True
