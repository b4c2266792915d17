"""Durations as systemd and Compose write them."""

from __future__ import annotations

import math
import re
from typing import Final

# systemd.time(7) as `systemctl show` prints it, and Go's: "m" is a minute in both.
UNITS_S: Final = {
    "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "": 1, "m": 60, "min": 60, "h": 3600,
    "d": 86_400, "w": 604_800, "month": 2_629_800, "y": 31_557_600,
}  # fmt: skip
PART: Final = re.compile(r"(\d+(?:\.\d+)?)(us|µs|ms|min|month|[smhdwy]|)\s*")


def seconds(text: str) -> float | None:
    """The seconds of "2min 10s", "2m10s" or "infinity"; None where it is no duration."""
    if text == "infinity":
        return math.inf
    parts = PART.findall(text)
    if not parts or "".join(PART.split(text)[::3]).strip():
        return None
    return sum(float(number) * UNITS_S[unit] for number, unit in parts)
