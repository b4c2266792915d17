"""The report: a line a finding for people, one JSON object for machines."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Final

from boot.doctor.finding import Finding, Level, status

LEVEL_COLUMNS: Final = max(map(len, Level)) + 2
CHECK_COLUMNS: Final = len("stop budget") + 2
INDENT: Final = " " * (LEVEL_COLUMNS + CHECK_COLUMNS)
NARROWEST: Final = 40  # columns for what is said, however narrow the terminal
ARROW: Final = "-> "
COLOURS: Final = {  # SGR codes: ECMA-48, 8.3.117
    Level.OK: "32",  # green
    Level.SKIPPED: "2",  # faint
    Level.WARNING: "33",  # yellow
    Level.ERROR: "1;31",  # bold red
}


def lines(finding: Finding, colours: bool, width: int | None) -> str:
    """The finding, and below it what mends it; wrapped to `width` columns, not at all for None."""
    word = f"{finding.level:<{LEVEL_COLUMNS}}"
    if colours:
        word = f"\x1b[{COLOURS[finding.level]}m{word}\x1b[0m"
    said = f"{word}{finding.check:<{CHECK_COLUMNS}}{_hanging(finding.message, '', width)}"
    if not finding.mend:
        return said
    return f"{said}\n{INDENT}{ARROW}{_hanging(finding.mend, ' ' * len(ARROW), width)}"


def summary(findings: Iterable[Finding]) -> str:
    """Such as "2 errors, 1 warning, 3 not checked"."""
    counts = Counter(finding.level for finding in findings)
    parts = [_counted(counts[Level.ERROR], "error"), _counted(counts[Level.WARNING], "warning")]
    if counts[Level.SKIPPED]:
        parts.append(f"{counts[Level.SKIPPED]} not checked")
    return ", ".join(parts)


def as_json(findings: Sequence[Finding]) -> str:
    """`{"status": 0 to 2, "errors": ..., "warnings": ..., "skipped": ..., "findings": [...]}`."""
    counts = Counter(finding.level for finding in findings)
    report = {
        "status": status(findings),
        "errors": counts[Level.ERROR],
        "warnings": counts[Level.WARNING],
        "skipped": counts[Level.SKIPPED],
        "findings": [asdict(finding) for finding in findings],
    }
    return json.dumps(report, indent=2)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _hanging(text: str, more: str, width: int | None) -> str:
    """The text below its own beginning, with nothing in it that a terminal would obey."""
    harmless = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    if width is None:
        return harmless
    columns = max(NARROWEST, width - len(INDENT) - len(more))
    wrapped = textwrap.wrap(harmless, columns, break_long_words=False, break_on_hyphens=False)
    return f"\n{INDENT}{more}".join(wrapped)
