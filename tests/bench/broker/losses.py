"""What is lost and what runs twice when workers are killed, the server restarts, or a task is long."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from tests.bench.broker import accounts
from tests.bench.broker.accounts import Disruption, Step
from tests.bench.broker.ledger import Follower
from tests.bench.broker.systems import System
from tests.bench.broker.worker import Gone, Worker

WORKERS: Final = 2  # of four processes each
RATE_PER_S: Final = (
    130.0  # tasks published; the processes could execute twice as many, and a kill comes each 4 s
)
LENGTH_S: Final = (0.005, 0.05)  # least and greatest of a task
SLOWEST_PER_S: Final = 10.0  # tasks; below that, a measurement is given up
STALLED_S: Final = 15.0  # without any task: what has not ended by then is lost, or held back for longer
QUIET_S: Final = 3.0  # after the last task; a repetition would have begun
LOOK_S: Final = 0.02


class Fleet:
    """Workers under a supervisor's care: one that ends is replaced at once."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.deaths = 0  # that nobody asked for
        self._started = 0
        self.workers = [self._new() for _ in range(WORKERS)]

    def _new(self) -> Worker:
        self._started += 1
        return Worker(self.system, f"w{self._started}")

    def replace(self, index: int) -> tuple[float, str]:
        """Kill one and start its successor; when that was, and the name of the killed."""
        victim = self.workers[index]
        at = victim.kill()
        self.workers[index] = self._new()
        return at, victim.name

    def is_ready(self) -> bool:
        """Whether all take tasks."""
        ready = self.system.ledger.lines("ready")
        return all(worker.name in ready for worker in self.workers)

    def tend(self) -> None:
        """Replace those that have ended by themselves."""
        for index, worker in enumerate(self.workers):
            if worker.process.poll() is not None:
                self.deaths += 1
                self.replace(index)

    def kill(self) -> None:
        """Kill all."""
        for worker in self.workers:
            worker.kill()


class Run:
    """Tasks on their way through a fleet, as the ledgers tell."""

    def __init__(self, system: System, fleet: Fleet) -> None:
        self.system = system
        self.fleet = fleet
        self.steps: list[Step] = []
        self.ended: set[int] = set()
        self.disruptions: list[Disruption] = []
        self._follower = Follower(system.ledger, "steps")
        self._news_at = time.monotonic()

    def look(self) -> None:
        """Read on."""
        if new := accounts.parse(self._follower.new_lines()):
            self.steps += new
            self.ended |= accounts.ended(new)
            self._news_at = time.monotonic()

    def is_due(self, tasks: int, number: int) -> bool:
        """Whether the next of `number` disruptions is due: evenly spread, but never while one heals yet."""
        due = tasks * (len(self.disruptions) + 1) / (number + 1)
        return due <= len(self.ended) < tasks and self.fleet.is_ready()

    def is_over(self) -> bool:
        """Whether nothing more is to be expected once all is published."""
        quiet = time.monotonic() - self._news_at
        return quiet > STALLED_S or (quiet > QUIET_S and not self.missing())

    def missing(self) -> set[int]:
        """Tasks that were taken and have not ended."""
        return accounts.sent(self.system.ledger.lines("published")) - self.ended

    def disrupted(self, at: float, over: float, victims: Sequence[str]) -> None:
        """Write a disruption down."""
        self.look()
        hit = accounts.in_progress(self.steps, frozenset(victims), at)
        self.disruptions.append(Disruption(at, over, hit))


def kills(system: System, tasks: int, number: int) -> dict[str, Any]:
    """Kill workers `number` times while tasks run, by turns the one and the other."""

    def kill(run: Run) -> None:
        at, victim = run.fleet.replace(len(run.disruptions) % WORKERS)
        run.disrupted(at, at, [victim])

    return _disturb(system, tasks, number, kill)


def restarts(system: System, tasks: int, number: int) -> dict[str, Any]:
    """Restart the server `number` times while tasks run, by turns as a crash and as an operator does."""

    def restart(run: Run) -> None:
        assert system.server
        at = time.monotonic()
        system.server.restart("fast" if len(run.disruptions) % 2 else "immediate")
        run.disrupted(at, time.monotonic(), [worker.name for worker in run.fleet.workers])

    return _disturb(system, tasks, number, restart)


def long(system: System, seconds: float) -> dict[str, Any]:
    """One task longer than any time-out, while another worker is idle: how often it began and ended."""
    with _fleet(system) as fleet:
        run = Run(system, fleet)
        system.publish("long", seconds)
        deadline = time.monotonic() + seconds + STALLED_S
        while not run.ended and time.monotonic() < deadline:
            time.sleep(LOOK_S)
            run.look()
        time.sleep(QUIET_S)
        run.look()
    ends = sum(step.is_end for step in run.steps)
    return {"seconds": seconds, "began": len(run.steps) - ends, "ended": ends}


def _disturb(system: System, tasks: int, number: int, disturb: Callable[[Run], None]) -> dict[str, Any]:
    with _fleet(system) as fleet, _publishing(system, tasks) as publisher:
        run = Run(system, fleet)
        deadline = time.monotonic() + tasks / SLOWEST_PER_S
        while publisher.poll() is None or not run.is_over():
            if time.monotonic() > deadline:
                message = f"after {len(run.ended)} of {tasks} tasks in {tasks / SLOWEST_PER_S:g} s"
                raise Gone(message)
            time.sleep(LOOK_S)
            run.look()
            fleet.tend()
            if len(run.disruptions) < number and run.is_due(tasks, number):
                disturb(run)
        return _figures(run)


def _figures(run: Run) -> dict[str, Any]:
    published = run.system.ledger.lines("published")
    again = accounts.returns(run.steps, run.disruptions)
    return {
        "sent": len(accounts.sent(published)),
        "unsure": sum(line.startswith("unsure ") for line in published),
        "disruptions": len(run.disruptions),
        "lost": len(run.missing()),
        "repeated": len(accounts.repeated(run.steps)),
        "in_progress": sum(len(each.in_progress) for each in run.disruptions),
        "beyond": accounts.beyond(run.steps, run.disruptions),
        "superfluous": len(accounts.superfluous(run.steps, run.disruptions)),
        "superfluous_ages_s": accounts.ages(run.steps, run.disruptions),
        "in_progress_each": [len(each.in_progress) for each in run.disruptions],
        "pauses_s": accounts.pauses(run.steps, run.disruptions),
        "returned": len(again),
        "return_median_s": statistics.median(again) if again else None,
        "return_greatest_s": max(again, default=None),
        "workers_that_ended": run.fleet.deaths,
    }


@contextlib.contextmanager
def _fleet(system: System) -> Iterator[Fleet]:
    system.publish("purge")
    system.ledger.clear()
    fleet = Fleet(system)
    try:
        for worker in fleet.workers:
            worker.wait_ready()
        yield fleet
    finally:
        fleet.kill()


@contextlib.contextmanager
def _publishing(system: System, tasks: int) -> Iterator[subprocess.Popen[str]]:
    publisher = system.begin("steps", tasks, RATE_PER_S, *LENGTH_S)
    try:
        yield publisher
    finally:
        publisher.kill()
        publisher.communicate()
