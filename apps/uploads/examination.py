"""What can be said of a stored file by reading it once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import IO

from apps.uploads import detection, pictures

CHUNK = 1024 * 1024  # bytes held in memory at a time


@dataclass(frozen=True)
class Facts:
    """`size` in bytes, `sha256` in hexadecimal; `reason` is empty unless something is wrong."""

    size: int
    sha256: str
    detected_type: str
    picture: pictures.Picture | None = None
    reason: str = ""


def examine(file: IO[bytes]) -> Facts:
    """Read a seekable binary file. A damaged image has facts too, and a reason beside them."""
    size, sha256 = _measure(file)
    detected_type = detection.detect(file)
    if detected_type not in pictures.FORMATS:
        return Facts(size, sha256, detected_type)
    try:
        return Facts(size, sha256, detected_type, pictures.read(file, detected_type))
    except pictures.Unreadable as unreadable:
        return Facts(size, sha256, detected_type, reason=str(unreadable))


def _measure(file: IO[bytes]) -> tuple[int, str]:
    digest = hashlib.sha256()
    size = 0
    while chunk := file.read(CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return size, digest.hexdigest()
