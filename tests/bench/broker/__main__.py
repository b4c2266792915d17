"""Celery brokers side by side: ours, RabbitMQ, Redis, and kombu's two on PostgreSQL.

    make bench-broker
    make bench-broker BENCH="--quick"
    make bench-broker BENCH="--only latency --only idle --systems ours rabbitmq --rounds 5"

Real servers are started in temporary folders. In each round the systems take turns, so that a noisy machine
slows all; medians of the rounds are printed, and what was promised beside them. A full run takes about half
an hour and writes docs/benchmarks and docs/performance.md; any other writes them with --write only, and then
replaces the measures that it took.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from tests.bench.broker import document, machine, report, systems
from tests.bench.broker.measures import EVERY, FULL, MEASURES, QUICK, Measure, Sizes
from tests.bench.broker.results import Results
from tests.bench.broker.systems import System
from tests.bench.broker.terms import OURS, PEER

Choice = Callable[[Measure], list[str]]
# Of a quick run: the two that ratios are made of, and kombu's where a promise names it.
QUICK_SYSTEMS: Final[dict[str, tuple[str, ...]]] = {
    "throughput": ("ours", "rabbitmq", "kombu-sqla"),
    "latency": ("ours", "rabbitmq", "kombu-sqla"),
    "kills": ("ours", "rabbitmq", "kombu-sqla"),
}


class Bench:
    """One run. Servers that measures share are started when the first one needs them."""

    def __init__(self, results: Results, sizes: Sizes, choose: Choice) -> None:
        self._results = results
        self._sizes = sizes
        self._systems = choose
        self._begun = time.monotonic()
        self._stack = ExitStack()
        self._shared: dict[str, System] = {}

    def run(self, measures: Iterable[Measure]) -> None:
        """Take all measures."""
        with self._stack:
            for measure in measures:
                self._take(measure)

    def _take(self, measure: Measure) -> None:
        self._results.begin(measure, self._sizes)
        rounds = self._sizes.rounds if measure.is_repeated else 1
        for number in range(1, rounds + 1):
            for name in self._systems(measure):
                self._say(f"{measure.name}, round {number} of {rounds}, {name} ...")
                self._take_one(measure, name)

    def _take_one(self, measure: Measure, name: str) -> None:
        """One system's failure must not cost what the others have been measured for."""
        load = os.getloadavg()[0]  # of the last minute: what this machine does beside
        try:
            with ExitStack() as own:
                system = self._opened(own, name) if measure.is_fresh else self._opened_once(name)
                figures = measure.take(system, self._sizes)
        except Exception as error:
            traceback.print_exc()
            self._results.fail(measure.name, name, f"{type(error).__name__}: {error}")
        else:
            self._results.add(measure.name, name, figures | {"load": load})
            self._say(f"    {_summary(figures)}")

    def _opened_once(self, name: str) -> System:
        if name not in self._shared:
            self._shared[name] = self._opened(self._stack, name)
        return self._shared[name]

    def _opened(self, stack: ExitStack, name: str) -> System:
        system = stack.enter_context(systems.serving(name))
        self._results.servers[name] = machine.server(system)
        return system

    def _say(self, words: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._begun), 60)
        print(f"{minutes:3}:{seconds:02}  {words}", flush=True)


def _summary(figures: dict[str, Any]) -> str:
    said = []
    for name, value in figures.items():
        if isinstance(value, int | float):
            said.append(f"{name} {report.number(value)}")
        elif isinstance(value, list) and value:
            said.append(f"{name} {' '.join(map(report.number, value[:4]))}{' ...' if len(value) > 4 else ''}")
    return ", ".join(said)


def _choice(given: argparse.Namespace) -> Choice:
    """Which systems a measure is taken of."""
    if given.systems:
        return lambda measure: [name for name in given.systems if name in measure.possible]
    if given.quick:
        ratio = (OURS, PEER)
        return lambda measure: [
            name for name in measure.systems if name in QUICK_SYSTEMS.get(measure.name, ratio)
        ]
    return lambda measure: list(measure.systems)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-broker", description=(__doc__ or "").partition("\n")[0])
    names = [measure.name for measure in MEASURES]
    parser.add_argument("--quick", action="store_true", help="little of everything, some minutes")
    parser.add_argument("--only", choices=names, action="append", help="take this measure (may be repeated)")
    parser.add_argument("--systems", choices=EVERY, nargs="+", help="of these systems")
    parser.add_argument(
        "--write", action="store_true", help="keep the results in docs, whatever was measured"
    )
    parser.add_argument("--json", type=Path, help="write the results to this file as well")
    for field in dataclasses.fields(Sizes):
        kind = type(getattr(FULL, field.name))
        parser.add_argument(
            f"--{field.name.replace('_', '-')}", type=kind, help=f"{getattr(FULL, field.name)}"
        )
    return parser.parse_args()


def _sizes(given: argparse.Namespace) -> Sizes:
    base = QUICK if given.quick else FULL
    asked = {field.name: getattr(given, field.name) for field in dataclasses.fields(Sizes)}
    return dataclasses.replace(base, **{name: value for name, value in asked.items() if value is not None})


def main() -> None:
    given = _arguments()
    sizes = _sizes(given)
    is_full = not (given.quick or given.only or given.systems) and sizes == FULL
    results = document.read() if given.write else Results()
    for line in machine.TERMS:
        print(f"- {line}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # servers are ended, folders removed
    Bench(results, sizes, _choice(given)).run(
        measure for measure in MEASURES if not given.only or measure.name in given.only
    )
    print("", report.aligned(report.figures(results)), sep="\n")
    print("", report.aligned(report.verdicts(results)), sep="\n")
    print("", *report.where(results), *report.failures(results), sep="\n")
    if given.json:
        given.json.write_text(json.dumps(results.as_json(), indent=1) + "\n")
    if is_full or given.write:
        document.write(results)


if __name__ == "__main__":
    main()
