"""Durations as systemd and Compose write them."""

from __future__ import annotations

import math

import pytest

from boot.doctor.durations import seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2min 10s", 130),
        ("1min 30s", 90),
        ("500ms", 0.5),
        ("1h 2min 3s", 3723),
        ("infinity", math.inf),
        ("2m10s", 130),
        ("1h0m0s", 3600),
        ("130s", 130),
        ("1.5s", 1.5),
        ("0", 0),
        ("", None),
        ("soon", None),
        ("10 fortnights", None),
    ],
)
def test_durations_are_read(text: str, expected: float | None) -> None:
    """Both spellings; what is none is None."""
    assert seconds(text) == expected
