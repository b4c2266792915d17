from __future__ import annotations

import pytest

from apps.uploads import sizes


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (12_345, "12.3 kB"),
        (999_990, "1 MB"),
        (25_000_000, "25 MB"),
        (10**16, "10000 TB"),
    ],
)
def test_sizes_are_readable(size: int, text: str) -> None:
    """In thousands, as the limit is set and as operating systems show them."""
    assert sizes.readable(size) == text
