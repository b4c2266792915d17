"""Supervision, side by side with stock supervisord, honcho and gunicorn alone: `make bench-supervision`.

Nothing is asserted: the machine decides the figures. A whole run takes about fifteen minutes and writes
docs/benchmarks/supervision.json and the generated part of docs/performance.md; needs honcho (group bench)
and, for requests a second, wrk.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from tests.bench.supervision import document, measures
from tests.bench.supervision.ground import prepared, versions
from tests.bench.supervision.verdicts import verdicts

MEASURES = ("starts", "returns", "stops", "footprints", "losses", "throughput")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-supervision", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=MEASURES, help="take this measure (may be repeated)"
    )
    parser.add_argument("--rounds", type=int, default=7, help="%(default)s")
    parser.add_argument("--requests", type=int, default=20_000, help="at least, of each run: %(default)s")
    parser.add_argument("--pairs", type=int, default=10, help="of requests a second: %(default)s")
    parser.add_argument(
        "--write", action="store_true", help="keep the results in docs, whatever was measured"
    )
    options = parser.parse_args()
    wanted = options.only or MEASURES
    results: dict[str, Any] = {"versions": versions()}
    with prepared() as ground:
        take: dict[str, Callable[[], Any]] = {
            "starts": lambda: measures.starts(ground, options.rounds, say),
            "returns": lambda: measures.returns(ground, options.rounds * 2, say),
            "stops": lambda: measures.stops(ground, options.rounds, say),
            "footprints": lambda: measures.footprints(ground, say),
            "losses": lambda: measures.losses(ground, options.requests, say),
            "throughput": lambda: measures.throughput(ground, options.pairs, say),
        }
        for name in wanted:
            results[name] = take[name]()
    for verdict in verdicts(results):
        print(document.line(verdict))
    if options.write or not options.only:
        document.write(results)


def say(text: str) -> None:
    print(f"  {text}", flush=True)


if __name__ == "__main__":
    main()
