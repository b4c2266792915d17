from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable

import pytest

from apps.uploads import detection


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "content")
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "empty"),
        (b"Hello, world\n", "text/plain"),
        ("Grüße, 日本語".encode(), "text/plain"),
        (b"import os\n", "text/plain"),
        (b'{"a": 1}', "text/plain"),
        (b"BMW builds cars", "text/plain"),
        (b"II. On method", "text/plain"),
        (b"%PDF-1.4\n%%EOF", "application/pdf"),
        (b"<!DOCTYPE html><html></html>", "text/html"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml"),
        (b'<?xml version="1.0"?><a/>', "application/xml"),
        (gzip.compress(b"x", mtime=0), "application/gzip"),
        (zipped("a.txt"), "application/zip"),
        (b"\x7fELF" + bytes(60), "application/octet-stream"),
        (bytes(range(256)), "application/octet-stream"),
        (b"BM" + bytes(range(1, 99)), "application/octet-stream"),
        ("Grüße".encode("latin-1"), "application/octet-stream"),
    ],
)
def test_content_tells_the_type(content: bytes, found: str) -> None:
    """By signature; readable text is plain text unless its format is known to be text."""
    assert detection.detect(io.BytesIO(content)) == found


@pytest.mark.parametrize(
    ("pillow_format", "found"),
    [
        ("PNG", "image/png"),
        ("JPEG", "image/jpeg"),
        ("GIF", "image/gif"),
        ("WEBP", "image/webp"),
        ("BMP", "image/bmp"),
        ("TIFF", "image/tiff"),
        ("PDF", "application/pdf"),
    ],
)
def test_images_are_told_apart(encode: Callable[..., bytes], pillow_format: str, found: str) -> None:
    """Each by its own signature, from whatever position the file was read to."""
    file = io.BytesIO(encode(pillow_format))
    file.read()
    assert detection.detect(file) == found
    assert file.tell() == 0


def test_a_character_cut_by_the_sample_is_no_binary() -> None:
    """Long text is text, wherever the sample happens to end."""
    text = ("x" + "é" * detection.SAMPLE).encode()
    assert detection.detect(io.BytesIO(text)) == "text/plain"
