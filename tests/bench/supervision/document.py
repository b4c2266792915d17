"""Where the results are kept: JSON, and the generated part of docs/performance.md."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tests.bench.broker import machine
from tests.bench.supervision.verdicts import Verdict, verdicts
from tests.system.stack import ROOT

JSON: Final = ROOT / "docs/benchmarks/supervision.json"
PAGE: Final = ROOT / "docs/performance.md"
BEGIN: Final = "<!-- supervision: begin, written by `make bench-supervision` -->"
END: Final = "<!-- supervision: end -->"
TITLES: Final = {
    "starts": "Seconds from the supervisor's exec until web server, worker and beat are ready",
    "returns": "Milliseconds from a program's SIGKILL to its new process, and until the kernel has ended it",
    "stops": "Seconds from TERM to the end of an idle stack",
}


def write(results: Mapping[str, Any]) -> None:
    """Replace both; what was not measured now is kept as it was."""
    JSON.parent.mkdir(exist_ok=True)
    before = json.loads(JSON.read_text()) if JSON.exists() else {}
    today = datetime.now(UTC).date().isoformat()
    taken_on = before.get("taken_on", {}) | dict.fromkeys(set(results) - {"versions"}, today)
    kept = {**before, **results, "taken_on": taken_on, "machine": machine.describe()}
    JSON.write_text(json.dumps(kept, indent=1) + "\n")
    PAGE.write_text(with_part(PAGE.read_text(), part(kept)))


def line(verdict: Verdict) -> str:
    """For a terminal."""
    sign = "<=" if verdict.is_most else ">="
    holds = "" if verdict.holds else "   MISSED"
    return (
        f"{verdict.what}: {verdict.value:.4g}{verdict.unit} ({sign} {verdict.target:g}{verdict.unit}){holds}"
    )


def part(results: Mapping[str, Any]) -> str:
    """The generated part, in Markdown."""
    blocks = [_taken(results["taken_on"]), _verdicts(results)]
    blocks += [_table(title, results[name]) for name, title in TITLES.items() if name in results]
    if "losses" in results:
        blocks.append(_losses(results["losses"]))
    if "throughput" in results:
        blocks.append(_throughput(results["throughput"]))
    where = [f"{name}: {value}" for name, value in {**results["machine"], **results["versions"]}.items()]
    return "\n\n".join([*blocks, "On: " + "; ".join(where) + "."])


def with_part(page: str, text: str) -> str:
    """The page with its generated part replaced. Raises ValueError where a marker is missing."""
    before, _, rest = page.partition(BEGIN)
    _, marker, after = rest.partition(END)
    if not marker:
        message = f"{PAGE} lacks {BEGIN!r} or {END!r}"
        raise ValueError(message)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def _taken(dates: Mapping[str, str]) -> str:
    """When: a run may have taken some measures only."""
    by_date: dict[str, list[str]] = {}
    for name, date in sorted(dates.items()):
        by_date.setdefault(date, []).append(name)
    return "Measured " + "; ".join(f"{date}: {', '.join(by_date[date])}" for date in sorted(by_date)) + "."


def _verdicts(results: Mapping[str, Any]) -> str:
    rows = [
        f"| {one.what} | {one.value:.3g}{one.unit} "
        f"| {'≤' if one.is_most else '≥'} {one.target:g}{one.unit} | {'yes' if one.holds else '**no**'} |"
        for one in verdicts(results)
    ]
    return "\n".join(["| ours | measured | target | reached |", "| --- | ---: | ---: | ---: |", *rows])


def _table(title: str, numbers: Mapping[str, list[float]]) -> str:
    rows = [
        f"| {name} | {statistics.median(found):.3g} | {min(found):.3g} | {max(found):.3g} | {len(found)} |"
        for name, found in numbers.items()
    ]
    head = ["| | median | least | most | times |", "| --- | ---: | ---: | ---: | ---: |"]
    return "\n".join([f"{title}:", "", *head, *rows])


def _losses(rows: list[Mapping[str, Any]]) -> str:
    lines = [
        f"| {row['system']} | {row['action']} | {row['connections']} | {row['times']} | {row['requests']} | "
        f"{row['failed']} |"
        for row in rows
    ]
    head = ["| | the web server is replaced by | connections | times | requests | failed |"]
    return "\n".join(["Requests meanwhile:", "", *head, "| --- | --- | ---: | ---: | ---: | ---: |", *lines])


def _throughput(pairs: list[Mapping[str, float]]) -> str:
    rows = [f"| {pair['doorito']:.0f} | {pair['gunicorn alone']:.0f} |" for pair in pairs]
    head = ["| through the held socket | gunicorn alone |", "| ---: | ---: |"]
    return "\n".join(["Requests a second, pair by pair:", "", *head, *rows])
