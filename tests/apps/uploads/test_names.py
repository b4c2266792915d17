from __future__ import annotations

import pytest

from apps.uploads import names


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("photo.jpg", "photo.jpg"),
        ("naïve ☃ 日本語.txt", "naïve ☃ 日本語.txt"),
        ("<script>alert('x')</script>", "<script>alert('x')</script>"),
        ("say %22hi%22.txt", 'say "hi".txt'),
        ("100%25.txt", "100%25.txt"),
        ("two%0D%0Alines.txt", "two__lines.txt"),
        ("two\nlines\x00.txt", "two_lines_.txt"),
        ("invoice\u202efdp.exe", "invoice_fdp.exe"),
        ("half \ud83d of it", "half _ of it"),
        ("family 👨\u200d👩\u200d👧.jpg", "family 👨\u200d👩\u200d👧.jpg"),
        ("  ", "unnamed"),
        ("", "unnamed"),
        (None, "unnamed"),
    ],
)
def test_a_name_is_kept_as_far_as_it_can_be_shown(sent: str | None, kept: str) -> None:
    """Any script and quotes stay; what breaks lines, hides or cannot be stored becomes `_`."""
    assert names.clean(sent) == kept


def test_a_long_name_keeps_its_extension() -> None:
    """It is cut to what the row holds."""
    kept = names.clean("n" * 300 + ".tar.gz")
    assert len(kept) == names.LONGEST
    assert kept.endswith("n….gz")


def test_a_long_extension_is_cut_as_well() -> None:
    """A dot early in a long name does not make all of it an extension."""
    assert len(names.clean("a." + "b" * 400)) == names.LONGEST
