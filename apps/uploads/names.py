"""File names as browsers send them, and as they may be kept, shown and sent back."""

from __future__ import annotations

import unicodedata
from pathlib import PurePath

LONGEST = 255  # characters, as long as most file systems allow
LONGEST_EXTENSION = 20  # characters that are kept where a name is cut
UNNAMED = "unnamed"

# What browsers escape in a multipart header, and nothing else (WHATWG HTML, "multipart/form-data
# encoding algorithm"). A name that holds such a sequence literally cannot be told apart.
_ESCAPED = {"%22": '"', "%0D": "\r", "%0A": "\n"}
# Control characters break headers and lines. Format characters turn "cod.exe" into "exe.doc" on
# screen, except the joiners that scripts and emoji need. Surrogates cannot be stored.
_UNWANTED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")


def clean(sent: str | None) -> str:
    """The name to keep: one line of at most 255 characters, the extension last, never empty."""
    name = sent or ""
    for escape, character in _ESCAPED.items():
        name = name.replace(escape, character)
    return _shortened(printable(name).strip()) or UNNAMED


def printable(text: str) -> str:
    """The text with what cannot be seen or stored replaced by underscores."""
    return "".join("_" if _unwanted(character) else character for character in text)


def _unwanted(character: str) -> bool:
    return unicodedata.category(character) in _UNWANTED and character not in _JOINERS


def _shortened(name: str) -> str:
    if len(name) <= LONGEST:
        return name
    extension = PurePath(name).suffix[-LONGEST_EXTENSION:]
    return name[: LONGEST - len(extension) - 1] + "…" + extension
