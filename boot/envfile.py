"""Files that variables come from: NAME=value lines, and secrets that are a file each."""

from __future__ import annotations

import io
import re
from typing import Final

from dotenv.parser import Binding, parse_stream
from marshmallow import ValidationError

from boot.values import PATH

NEWLINE: Final = re.compile(r"\r\n|\n|\r")


class UnreadableFile(Exception):
    """The file cannot be read; the message says why and names no path, which might be a secret."""


def read(name: str) -> str:
    """The text of a UTF-8 file, its line ends as they are; a relative name is below the project's root."""
    try:
        content: bytes = PATH.parse(name).read_bytes()
        return content.decode()
    except OSError as error:
        raise UnreadableFile(error.strerror) from None
    except UnicodeDecodeError:
        raise UnreadableFile("it is not UTF-8 text") from None
    except ValidationError as error:
        raise UnreadableFile(f"its path {error.args[0]}") from None


def read_secret(name: str) -> str:
    """The file's text less one final newline, which editors and `echo` add."""
    secret = re.sub(r"\r?\n\Z", "", read(name))
    if not secret:
        raise UnreadableFile("it is empty")
    return secret


def parse(content: str) -> tuple[dict[str, str], list[int]]:
    """Names to texts, nothing interpolated, and the numbers of the lines that are not NAME=value."""
    texts: dict[str, str] = {}
    wrong: list[int] = []
    for binding in parse_stream(io.StringIO(content, newline="")):
        if binding.key and binding.value is not None:
            texts[binding.key] = binding.value
        elif binding.error or binding.key:
            wrong.append(_line(binding))
    return texts, wrong


def _line(binding: Binding) -> int:
    """Where the binding stands: python-dotenv counts from the blank lines before it."""
    text = binding.original.string
    blank = text[: len(text) - len(text.lstrip())]
    return binding.original.line + len(NEWLINE.findall(blank))
