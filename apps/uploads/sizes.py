"""Sizes in bytes, for people: 1 kB is 1000 bytes, as UPLOAD_MAX_MB counts and computers show."""

from __future__ import annotations

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def readable(size: int) -> str:
    """Such as "1 byte", "0 bytes", "12.5 kB" or "25 MB"."""
    if size == 1:
        return "1 byte"
    amount, unit = float(size), 0
    while round(amount, 1) >= 1000 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.1f}".removesuffix(".0") + f" {_UNITS[unit]}"
