"""What a variable's text may be: kinds, each a parser and the words that say what it accepts.

A parser takes the text as it stands in the environment and returns the value that settings use, or
raises `ValidationError` with a predicate ("is out of range") that never quotes the text. The reader
puts the name before it, and the text where it is no secret.
"""

from __future__ import annotations

import importlib.util
import re
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, parse_qs, urlsplit

from marshmallow import ValidationError

from boot import capacity
from boot.capacity import Capacity
from boot.places import absolute
from boot.workers import Wanted

MOST_WORKERS: Final = 32  # worker programs
SHOWN: Final = 200  # characters of a wrong value in a message
SOCKET_PATH_BYTES: Final = 107  # unix(7), less the final NUL
BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}
DEFAULT_PORTS: Final = {"http": 80, "https": 443}  # browsers leave these out of an Origin header
# As Django reads a Host header: ASCII letters, digits, dots and hyphens, or an IPv6 address in brackets.
HOST: Final = r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])"


class Kind(NamedTuple):
    """A kind of value: its parser, the type it yields, what it accepts in words, and its unit."""

    parse: Callable[[str], Any]
    type: str
    accepted: str
    unit: str = ""


def quoted(text: str) -> str:
    """The text on one line, in quotes, not too long, with nothing in it that a terminal would obey."""
    short = text if len(text) <= SHOWN else text[:SHOWN] + "..."
    escaped = short.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in escaped) + '"'


def on_one_line(text: str) -> str:
    """The text as it is where that is harmless, else quoted."""
    return text if text and text.isprintable() and text == text.strip() else quoted(text)


def _text(value: str) -> str:
    try:
        value.encode()  # bytes that are not UTF-8 stand in an environment as surrogates
    except UnicodeEncodeError:
        raise ValidationError("is not UTF-8 text") from None
    if "\0" in value:
        raise ValidationError("holds a NUL character")
    return value


def _boolean(value: str) -> bool:
    try:
        return BOOLEANS[value.lower()]
    except KeyError:
        raise ValidationError("is not a boolean") from None


def _split(value: str, several_hosts: bool = False) -> SplitResult:
    """The parts of a URL, where its text says unmistakably which they are."""
    unreadable = ValidationError("is not a readable URL (percent-encode what is special in it)")
    # urlsplit drops white space at the ends, and line ends and tabs anywhere.
    if not _text(value).isprintable() or value != value.strip():
        raise unreadable
    try:
        parts = urlsplit(value)
        address = parts.netloc.rpartition("@")[2]
        for host in address.split(",") if several_hosts else [address]:
            _ = urlsplit(f"//{host}").port  # raises where what stands for the port is none
    except ValueError:
        raise unreadable from None
    # A password with a bare `#`, `/` or `?` would be taken for host, path or query, and shown.
    if parts.fragment or (parts.netloc and "@" in parts.path + parts.query):
        raise unreadable
    return parts


def _origin(value: str) -> str:
    """The origin as a browser writes it: lower case, without the scheme's own port."""
    parts = _split(value)
    if not re.fullmatch(rf"https?://{HOST}(:[0-9]+)?/?", value.lower()):
        raise ValidationError("is not just http(s)://, a host name in ASCII and perhaps a port")
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port and parts.port != DEFAULT_PORTS[parts.scheme] else ""
    return f"{parts.scheme}://{host}{port}"


def _hosts(value: str) -> list[str]:
    hosts = [host.lower() for host in _items(value)]
    if not all(re.fullmatch(rf"\*|\.?{HOST}", host) for host in hosts):
        raise ValidationError("has an item that is not a host name in ASCII (without scheme and port)")
    return hosts


def _items(value: str) -> list[str]:
    """Comma-separated items, the white space around each dropped, empty ones left out."""
    items = [item.strip() for item in _text(value).split(",") if item.strip()]
    if not items:
        raise ValidationError("is an empty list")
    return items


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


def _bind(value: str) -> str:
    """An IP address; or the path of a Unix socket behind `unix:`."""
    if not value.startswith("unix:"):
        return _ip_address(value)
    given = _text(value.removeprefix("unix:"))
    if not given or given.endswith("/"):
        raise ValidationError("names no socket")
    path = str(absolute(given))
    if len(path.encode()) > SOCKET_PATH_BYTES:
        raise ValidationError(f"is too long a path for a socket ({SOCKET_PATH_BYTES} bytes)")
    return f"unix:{path}"


def _email(value: str) -> str:
    # Roughly; Django's own validator has the last word when the account is made.
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", _text(value)):
        raise ValidationError("is not an e-mail address")
    return value


def _dotted_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", value, re.ASCII):
        raise ValidationError("is not the dotted name of a module")
    try:
        found = importlib.util.find_spec(value)
    except ImportError:  # of one of the packages before the last dot
        found = None
    if not found:
        raise ValidationError("names no module that can be found")
    return value


def _path(value: str) -> Path:
    try:
        Path(_text(value)).expanduser()
    except RuntimeError:
        raise ValidationError("begins with a user that is not known here") from None
    return absolute(value)


TEXT: Final = Kind(_text, "text", "any text")
# Strict: `on`, `yes` and `t` are refused, since every tool reads them differently.
BOOLEAN: Final = Kind(_boolean, "boolean", "true or false (or 1 or 0)")
ORIGIN: Final = Kind(_origin, "URL", "a URL such as https://example.org, without a path")
HOSTS: Final = Kind(_hosts, "list", "a comma-separated list, such as example.org,.example.net,[::1]")
TIME_ZONE: Final = Kind(_time_zone, "time zone", "a name of the IANA database, such as Europe/Paris")
BIND: Final = Kind(
    _bind,
    "address",
    "an IPv4 or IPv6 address, such as 127.0.0.1, or a Unix socket, such as unix:/run/site/web.sock",
)
EMAIL: Final = Kind(_email, "e-mail address", "an e-mail address, such as you@example.org")
DOTTED_NAME: Final = Kind(_dotted_name, "module", "the dotted name of a module")
PATH: Final = Kind(_path, "path", "a path; a relative one is below the project's root")


def url(*schemes: str) -> Kind:
    """A URL of one of `schemes`, unchanged; a `timeout` in its query is a number of seconds."""
    accepted = "a URL that begins with " + " or ".join(f"{scheme}://" for scheme in schemes)

    def parse(value: str) -> str:
        if value == "sqlite://:memory:" and "sqlite" in schemes:
            return value  # a URL by convention only
        parts = _split(value, several_hosts=value.startswith("sqla+"))  # as libpq takes them
        if not value.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            raise ValidationError("has no accepted scheme")
        if not all(re.fullmatch("[0-9]{1,9}", text) for text in parse_qs(parts.query).get("timeout", [])):
            raise ValidationError("has a timeout that is not a whole number")
        return value

    return Kind(parse, "URL", accepted)


def one_of(*choices: str) -> Kind:
    """Exactly one of `choices`."""

    def parse(value: str) -> str:
        if value not in choices:
            raise ValidationError("is not one of the choices")
        return value

    return Kind(parse, "choice", " or ".join(choices))


def list_of(*choices: str) -> Kind:
    """Comma-separated items, each one of `choices`."""

    def parse(value: str) -> list[str]:
        items = _items(value)
        if not set(items) <= set(choices):
            raise ValidationError("has an item that is not one of the choices")
        return items

    return Kind(parse, "list", f"a comma-separated list of {' and '.join(choices)}")


def whole(low: int, high: int, unit: str = "") -> Kind:
    """A whole number of `unit` from `low` to `high`, in plain digits."""

    def parse(value: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", value):
            raise ValidationError("is not a whole number")
        if not low <= int(value) <= high:
            raise ValidationError("is out of range")
        return int(value)

    accepted = f"a whole number from {low} to {high}" + (f" ({unit})" if unit else "")
    return Kind(parse, "whole number", accepted, unit)


def above_zero(high: int, unit: str) -> Kind:
    """A number of `unit` above 0, at most `high`; fractions are allowed."""

    def parse(value: str) -> float:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?", value):
            raise ValidationError("is not a number")
        if not 0 < float(value) <= high:
            raise ValidationError("is out of range")
        return float(value)

    return Kind(parse, "number", f"a number above 0 and at most {high} ({unit}; fractions allowed)", unit)


def whole_or_auto(least: int, most: int, unit: str, auto: Callable[[Capacity], int]) -> Kind:
    """A whole number; `auto` is what the machine, or the container's limits, have room for."""
    number = whole(least, most, unit)

    def parse(value: str) -> int:
        return auto(capacity.measure()) if value.lower() == "auto" else int(number.parse(value))

    return number._replace(parse=parse, accepted=f"{number.accepted}, or auto")


def workers(*queues: str) -> Kind:
    """Worker programs: how many, or one an item, QUEUE+QUEUE:PROCESSES."""
    accepted = (
        f"a number of 1 to {MOST_WORKERS}, or a list such as high:2,default:4 or high+default of the queues "
        + ", ".join(queues)
    )

    def parse(value: str) -> tuple[Wanted, ...]:
        if value.isascii() and value.isdigit():
            if not 1 <= int(value) <= MOST_WORKERS:
                raise ValidationError("is out of range")
            return (Wanted((), None),) * int(value)
        items = tuple(_worker(item, queues) for item in _items(value))
        if len(items) > MOST_WORKERS:
            raise ValidationError("has too many items")
        return items

    return Kind(parse, "list", accepted)


def _worker(item: str, queues: tuple[str, ...]) -> Wanted:
    names, colon, number = item.partition(":")
    taken = tuple(name.strip() for name in names.split("+"))
    if not set(taken) <= set(queues) or len(set(taken)) < len(taken):
        raise ValidationError("has an item that is none of the queues")
    if colon and not (number.isascii() and number.isdigit() and 1 <= int(number) <= capacity.MOST):
        raise ValidationError(f"has an item whose number of processes is not one of 1 to {capacity.MOST}")
    return Wanted(taken, int(number) if colon else None)
