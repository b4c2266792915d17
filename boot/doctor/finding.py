"""What a check found: one line with its level, and what mends it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Level(StrEnum):
    """How bad it is. SKIPPED could not be checked, or does not apply; it changes no exit status."""

    OK = "ok"
    SKIPPED = "skipped"
    WARNING = "warning"
    ERROR = "error"


STATUS: Final = {Level.OK: 0, Level.SKIPPED: 0, Level.WARNING: 1, Level.ERROR: 2}


@dataclass(frozen=True)
class Finding:
    """One line of the report; `mend` is empty where there is nothing to do."""

    check: str
    level: Level
    message: str
    mend: str = ""


def ok(check: str, message: str) -> Finding:
    return Finding(check, Level.OK, message)


def skipped(check: str, reason: str, mend: str = "") -> Finding:
    return Finding(check, Level.SKIPPED, f"not checked: {reason}", mend)


def warning(check: str, message: str, mend: str) -> Finding:
    return Finding(check, Level.WARNING, message, mend)


def error(check: str, message: str, mend: str) -> Finding:
    return Finding(check, Level.ERROR, message, mend)


def status(findings: Iterable[Finding]) -> int:
    """The exit status: 0 when all is well, 1 with warnings, 2 with errors."""
    return max((STATUS[finding.level] for finding in findings), default=0)
