"""Where the results are kept: JSON, a plot, and the generated part of docs/performance.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from tests.bench.broker import machine, plot, report
from tests.bench.broker.results import Results
from tests.bench.broker.systems import ROOT

FOLDER: Final = ROOT / "docs/benchmarks"
JSON: Final = FOLDER / "broker.json"
PLOT: Final = FOLDER / "broker.svg"
PAGE: Final = ROOT / "docs/performance.md"
BEGIN: Final = "<!-- broker: begin, written by `make bench-broker` -->"
END: Final = "<!-- broker: end -->"


def write(results: Results) -> None:
    """Replace all three."""
    FOLDER.mkdir(exist_ok=True)
    JSON.write_text(json.dumps(results.as_json(), indent=1) + "\n")
    PLOT.write_text(plot.draw(results))
    PAGE.write_text(with_part(PAGE.read_text(), part(results)))


def part(results: Results) -> str:
    """The generated part, in Markdown."""
    taken = sorted(measure["taken_at"][:10] for measure in results.measures.values())
    days = " to ".join(dict.fromkeys((taken[0], taken[-1]))) if taken else "not yet"
    blocks = [
        f"Measured {days}.",
        "![Bars of the most asked for figures](benchmarks/broker.svg)",
        report.markdown(report.verdicts(results)),
        report.markdown(report.figures(results)),
        "Equal terms:",
        _list(machine.TERMS),
        "On:",
        _list(report.where(results)),
    ]
    if failed := report.failures(results):
        blocks += ["Could not be measured:", _list(failed)]
    return "\n\n".join(blocks)


def _list(lines: list[str] | tuple[str, ...]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def with_part(page: str, text: str) -> str:
    """The page with its generated part replaced. Raises ValueError where a marker is missing."""
    before, _, rest = page.partition(BEGIN)
    _, marker, after = rest.partition(END)
    if not marker:
        message = f"{PAGE} lacks {BEGIN!r} or {END!r}"
        raise ValueError(message)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def read(path: Path = JSON) -> Results:
    """What was measured before."""
    return Results.read(path)
