"""Bars: the figures that people ask for first. Written by hand, and readable on light and dark ground."""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape

from tests.bench.broker.measures import EVERY
from tests.bench.broker.report import FIGURES, number
from tests.bench.broker.results import Results
from tests.bench.broker.terms import OURS

PANELS: Final = {
    "drain /s, 1 worker": "No-op tasks a second, 1 worker of 4 processes",
    "drain /s, 2 workers": "No-op tasks a second, 2 workers",
    "enqueue /s, one by one": "Published a second, one by one, durable",
    "idle latency p50, ms": "Start of a task in an idle worker, median, ms (less is better)",
}
WIDTH: Final = 760
LABEL: Final = 90  # pixels, as all that follow
BAR: Final = 18
STEP: Final = 24
HEAD: Final = 30
GAP: Final = 18
STYLE: Final = """\
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 }
.bar { fill: #8c959f }
.ours { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .bar { fill: #6e7681 }
  .ours { fill: #4493f8 }
}"""


def draw(results: Results) -> str:
    """An SVG document."""
    parts: list[str] = []
    top = 0
    for figure, title in PANELS.items():
        values = {system: FIGURES[figure](results, system) for system in EVERY}
        measured = {system: value for system, value in values.items() if value is not None}
        if measured:
            parts += _panel(title, measured, top)
            top += HEAD + STEP * len(measured) + GAP
    size = f'viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="Celery brokers compared">'
    return "\n".join([head, f"<style>{STYLE}</style>", *parts, "</svg>", ""])


def _panel(title: str, values: dict[str, float], top: int) -> list[str]:
    parts = [f'<text class="title" x="0" y="{top + 16}">{escape(title)}</text>']
    scale = (WIDTH - LABEL - 60) / max(values.values())
    for index, (system, value) in enumerate(values.items()):
        y = top + HEAD + STEP * index
        length = max(1, round(value * scale))
        kind = "bar ours" if system == OURS else "bar"
        parts += [
            f'<text x="{LABEL - 8}" y="{y + 13}" text-anchor="end">{escape(system)}</text>',
            f'<rect class="{kind}" x="{LABEL}" y="{y}" width="{length}" height="{BAR}" rx="2"/>',
            f'<text x="{LABEL + length + 6}" y="{y + 13}">{number(value)}</text>',
        ]
    return parts
