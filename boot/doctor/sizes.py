"""Sizes in bytes, in the words that people read."""

from __future__ import annotations

from typing import Final

KIB: Final = 2**10  # bytes
MIB: Final = 2**20
GIB: Final = 2**30


def words(size: int) -> str:
    """A number of bytes with the unit that keeps it short, such as "512 MiB" or "1.5 GiB"."""
    if size >= GIB:
        return f"{size / GIB:.1f} GiB"
    return f"{size // MIB} MiB" if size >= MIB else f"{size // KIB} KiB"
