"""Figures become honest verdicts, and documents that can be written again."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.bench.broker import document, plot, report, throughput
from tests.bench.broker.measures import MEASURES, QUICK
from tests.bench.broker.results import Results, percentile
from tests.bench.broker.verdicts import Row, rows


def measured(**systems: dict[str, Any]) -> Results:
    """Results of one round of throughput."""
    results = Results()
    results.begin(MEASURES[0], QUICK)
    for system, figures in systems.items():
        results.add("throughput", system, figures)
    return results


@pytest.mark.parametrize(
    ("value", "is_least", "verdict"),
    [
        (0.95, True, "target"),
        (0.9, True, "floor"),
        (0.84, True, "BELOW"),
        (None, True, "not measured"),
        (0.94, False, "target"),
        (0.96, False, "BELOW"),
    ],
)
def test_a_row_is_judged_by_target_and_floor(value: float | None, is_least: bool, verdict: str) -> None:
    """Less is worse or better; nothing is no success."""
    floor = 0.85 if is_least else 0.95
    assert Row("drain", value, 0.95, floor, is_least).verdict == verdict


def test_a_ratio_is_one_of_medians() -> None:
    """One round of many may go wrong."""
    results = measured(ours={"drain_1": 900}, rabbitmq={"drain_1": 1000})
    for drain in (950, 10):
        results.add("throughput", "ours", {"drain_1": drain})
    first = rows(results)[0]
    assert (first.value, first.verdict) == (0.9, "floor")


def test_a_percentile_is_a_value_that_was_measured() -> None:
    """The greatest one where few were."""
    assert percentile(range(1, 101), 50) == 50
    assert percentile(range(1, 101), 99) == 99
    assert percentile([3, 1, 2], 99) == 3


def test_a_rate_leaves_start_and_end_out() -> None:
    """Ten tasks a line: slow ones before the tenth and after the ninetieth do not count."""
    times = [0.0, *(100 + number for number in range(1, 10)), 500.0]
    assert throughput.rate(times, 10, 90) == 80 / 8


def test_numbers_have_three_digits() -> None:
    """Never a lie by rounding to nothing."""
    assert [report.number(value) for value in (None, 0, 0.00321, 1.5, 12.34, 2199.4)] == [
        "-", "0", "0.00321", "1.5", "12.3", "2199",
    ]  # fmt: skip


def test_the_plot_is_well_formed() -> None:
    """A bar for each system that was measured."""
    drawing = plot.draw(measured(ours={"drain_1": 900}, redis={"drain_1": 400}))
    bars = ElementTree.fromstring(drawing).findall("{*}rect")
    assert [bar.get("class") for bar in bars] == ["bar ours", "bar"]


def test_the_page_is_written_again_and_again() -> None:
    """Only what is between the markers changes, and the page in the repository has them."""
    page = document.PAGE.read_text()
    once = document.with_part(page, "new")
    assert document.with_part(once, "new") == once
    assert once.partition(document.BEGIN)[0] == page.partition(document.BEGIN)[0]
    with pytest.raises(ValueError, match="lacks"):
        document.with_part("a page without markers", "new")


def test_results_are_kept_as_json() -> None:
    """What is read back says the same."""
    results = measured(ours={"drain_1": 900, "enqueue": [500, 700]})
    again = Results(json.loads(json.dumps(results.as_json())))
    assert again.median("throughput", "ours", "enqueue") == 600
    assert report.figures(again) == report.figures(results)
