"""What a variable's text may be: kinds, each a parser and the words that say what it accepts.

A parser takes the text as it stands in the environment and returns the value that settings use, or
raises `ValidationError` with a predicate ("is out of range"). The reader puts name and text before it.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from marshmallow import ValidationError

BASE_DIR: Final = Path(__file__).resolve().parent.parent
BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}


class Kind(NamedTuple):
    """A kind of value: its parser, the type it yields, what it accepts in words, and its unit."""

    parse: Callable[[str], Any]
    type: str
    accepted: str
    unit: str = ""


def _text(value: str) -> str:
    if "\0" in value:
        raise ValidationError("holds a NUL character")
    return value


def _boolean(value: str) -> bool:
    try:
        return BOOLEANS[value.lower()]
    except KeyError:
        raise ValidationError("is not a boolean") from None


def _origin(value: str) -> str:
    _url("http", "https")(value)
    parts = urlsplit(value)
    if not parts.hostname or parts.path.rstrip("/") or parts.query or parts.fragment or parts.username:
        raise ValidationError("is not just a scheme, a host and perhaps a port")
    return value.rstrip("/")


def _time_zone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        raise ValidationError("is not a known time zone") from None
    return value


def _ip_address(value: str) -> str:
    import ipaddress  # here, not above: most starts never need it

    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValidationError("is not an IP address") from None


def _email(value: str) -> str:
    # Roughly; Django's own validator has the last word when the account is made.
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", value):
        raise ValidationError("is not an e-mail address")
    return value


def _dotted_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", value):
        raise ValidationError("is not the dotted name of a module")
    return value


def _path(value: str) -> Path:
    # Below the project's root, not below whatever the working folder happens to be.
    return BASE_DIR / Path(_text(value)).expanduser()


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        try:
            parts = urlsplit(_text(value))
            _ = parts.port  # raises where what stands for the port is none
        except ValueError:
            raise ValidationError("is not a readable URL (percent-encode what is special in it)") from None
        if "://" not in value or parts.scheme not in schemes:
            raise ValidationError("has no accepted scheme")
        return value

    return parse


TEXT: Final = Kind(_text, "text", "any text")
# Strict: `on`, `yes` and `t` are refused, since every tool reads them differently.
BOOLEAN: Final = Kind(_boolean, "boolean", "true or false (or 1 or 0)")
ORIGIN: Final = Kind(_origin, "URL", "a URL such as https://example.org, without a path")
TIME_ZONE: Final = Kind(_time_zone, "time zone", "a name of the IANA database, such as Europe/Paris")
IP_ADDRESS: Final = Kind(_ip_address, "IP address", "an IPv4 or IPv6 address, such as 127.0.0.1")
EMAIL: Final = Kind(_email, "e-mail address", "an e-mail address, such as you@example.org")
DOTTED_NAME: Final = Kind(_dotted_name, "module", "the dotted name of a module")
PATH: Final = Kind(_path, "path", "a path; a relative one is below the project's root")


def url(*schemes: str) -> Kind:
    """A URL of one of `schemes`, unchanged."""
    return Kind(_url(*schemes), "URL", "a URL that begins with " + " or ".join(f"{s}://" for s in schemes))


def one_of(*choices: str) -> Kind:
    """Exactly one of `choices`."""

    def parse(value: str) -> str:
        if value not in choices:
            raise ValidationError("is not one of the choices")
        return value

    return Kind(parse, "choice", " or ".join(choices))


def list_of(*choices: str, example: str = "") -> Kind:
    """Comma-separated texts, the white space around each dropped; of `choices`, where any are given."""

    def parse(value: str) -> list[str]:
        items = [item.strip() for item in _text(value).split(",") if item.strip()]
        if not items:
            raise ValidationError("is an empty list")
        if choices and any(item not in choices for item in items):
            raise ValidationError("has an item that is not one of the choices")
        return items

    accepted = f"a comma-separated list of {' and '.join(choices)}" if choices else f"a comma-separated list, such as {example}"
    return Kind(parse, "list", accepted)


def whole(low: int, high: int, unit: str = "") -> Kind:
    """A whole number of `unit` from `low` to `high`, in plain digits."""

    def parse(value: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", value):
            raise ValidationError("is not a whole number")
        if not low <= int(value) <= high:
            raise ValidationError("is out of range")
        return int(value)

    return Kind(parse, "whole number", f"a whole number from {low} to {high}" + (f" ({unit})" if unit else ""), unit)


def above_zero(high: int, unit: str) -> Kind:
    """A number of `unit` above 0, at most `high`; fractions are allowed."""

    def parse(value: str) -> float:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?", value):
            raise ValidationError("is not a number")
        if not 0 < float(value) <= high:
            raise ValidationError("is out of range")
        return float(value)

    return Kind(parse, "number", f"a number above 0 and at most {high} ({unit}; fractions allowed)", unit)
