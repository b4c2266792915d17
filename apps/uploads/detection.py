"""What a file holds, by its bytes; its name and what the browser says are not asked."""

from __future__ import annotations

import codecs
from typing import IO, Any

import puremagic

EMPTY = "empty"  # no media type: there is nothing to have one
TEXT = "text/plain"
UNKNOWN = "application/octet-stream"

SAMPLE = 64 * 1024  # bytes that are looked at to tell text from binary
SHORTEST_SIGNATURE = 3  # bytes at the very start; elsewhere one more. Less matches by chance.

# Formats whose files are, or may be, readable text. Anything else that puremagic finds in text is
# a coincidence: it takes `import` for Python and `{"` for JSON.
_TEXTUAL = frozenset(
    {
        "application/pdf",
        "application/postscript",
        "application/rtf",
        "application/xml",
        "image/svg+xml",
        "text/html",
    }
)
# puremagic's names that are older than those browsers send.
_TODAY = {"application/x-gzip": "application/gzip"}
_ZIP = b"PK\x03\x04"


def detect(file: IO[bytes]) -> str:
    """The media type, or `EMPTY`. The file may be read from anywhere and is left at its start."""
    file.seek(0)
    sample = file.read(SAMPLE)
    if not sample:
        return EMPTY
    file.seek(0)
    found = _by_signature(file, sample)
    file.seek(0)
    if _is_text(sample, whole=len(sample) < SAMPLE):
        return found if found in _TEXTUAL else TEXT
    return found or UNKNOWN


def _by_signature(file: IO[bytes], sample: bytes) -> str:
    """The media type with the longest matching signature, or an empty string."""
    if sample.startswith(b"BM") and sample[6:10] == bytes(4):  # its two reserved fields are zero
        return "image/bmp"
    try:
        matches = puremagic.magic_stream(file)
    except puremagic.PureError:
        return ""
    for match in matches:
        if match.mime_type and len(match.byte_match) >= SHORTEST_SIGNATURE + (match.offset != 0):
            return _name(match)
    return ""


def _name(match: Any) -> str:
    # Every office document is a zip file; only a longer match has looked further inside.
    if match.byte_match == _ZIP:
        return "application/zip"
    mime_type: str = match.mime_type
    return _TODAY.get(mime_type, mime_type)


def _is_text(sample: bytes, whole: bool) -> bool:
    """Whether it is UTF-8 without control characters; a character cut at the end is forgiven."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(sample, final=whole)
    except UnicodeDecodeError:
        return False
    return all(character >= " " or character in "\t\n\r\f" for character in text)
