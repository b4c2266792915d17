"""How long an idle worker takes to start a task, what idling costs, and how fast it stops."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from tests.bench.broker.systems import System
from tests.bench.broker.worker import Worker, working

SETTLE_S: Final = 3.0  # seconds from "ready" until a worker is called idle
GAPS_S: Final = (0.02, 0.3)  # least and greatest between a task and the next, beside the polling interval
# Up to the next line that begins with a date.
STATEMENT: Final = re.compile(
    r"LOG:  (?:statement|execute [^:]*): (.*?)(?=^\d{4}-|\Z)", re.DOTALL | re.MULTILINE
)
MORE_STOPS: Final = 2  # of other workers, after the one that was watched
TIMER_S: Final = 2.0  # seconds between two heartbeats of Celery's, the timer that comes most often
STATEMENT_LENGTH: Final = 120  # characters that are kept


def start_latencies(system: System, samples: int) -> list[float]:
    """Seconds from a publish to the start of its task, one at a time."""
    system.publish("purge")
    system.ledger.clear()
    least, greatest = GAPS_S
    with working(system, 1):
        time.sleep(SETTLE_S)
        # The phase of a poll begins at the last task: gaps must cover it, or it would always be the same.
        seconds: list[float] = system.publish("latencies", samples, least, greatest + system.polls_s)
    return seconds


def idle(system: System, seconds: float) -> dict[str, Any]:
    """What a worker without tasks takes: CPU (% of a core), queries a second; and seconds of its stop."""
    system.publish("purge")
    system.ledger.clear()
    _log_statements(system, "all")
    try:
        with working(system, 1) as (worker,):
            time.sleep(SETTLE_S)
            figures = _watch(system, worker, seconds)
            stops = [worker.stop()]
    finally:
        _log_statements(system, "none")
    return figures | {"stop_s": stops + _stops(system)}


def _stops(system: System) -> list[float]:
    """Seconds of more stops: an idle loop notices at its next timer, so one alone says little."""
    system.ledger.clear()
    seconds = []
    with working(system, MORE_STOPS) as workers:
        time.sleep(SETTLE_S)
        for worker in workers:
            time.sleep(random.uniform(0, TIMER_S))
            seconds.append(worker.stop())
    return seconds


def _watch(system: System, worker: Worker, seconds: float) -> dict[str, Any]:
    already = _logged(system)
    begun, cpu = time.monotonic(), worker.cpu()
    time.sleep(seconds)
    elapsed, used = time.monotonic() - begun, worker.cpu() - cpu
    figures: dict[str, Any] = {"cpu_percent": 100 * used / elapsed}
    if system.server:
        found = STATEMENT.findall(_logged(system)[len(already) :])
        statements = Counter(" ".join(text.split())[:STATEMENT_LENGTH] for text in found)
        figures["queries_per_s"] = statements.total() / elapsed
        figures["statements"] = dict(statements.most_common())
    return figures


def _log_statements(system: System, which: str) -> None:
    """For sessions that begin from now on."""
    if system.server:
        with system.server.connect() as connection:
            connection.execute(f"ALTER DATABASE {connection.info.dbname} SET log_statement = '{which}'")


def _logged(system: System) -> str:
    return Path(system.server.log).read_text(errors="replace") if system.server else ""
