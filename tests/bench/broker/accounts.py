"""What became of each task: the publisher's ledger against that of the tasks. Pure functions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

ACKNOWLEDGED_S: Final = 0.1  # seconds after its end in which a task may not be acknowledged yet


@dataclass(frozen=True)
class Step:
    """One line of a task: it began or ended, in which process of which worker, when (monotonic seconds)."""

    is_end: bool
    number: int
    worker: str
    pid: int
    at: float


@dataclass(frozen=True)
class Disruption:
    """A kill of a worker or a restart of the server: from when to when, and what ran in those it hit."""

    at: float
    over: float
    in_progress: frozenset[int]


def parse(lines: Iterable[str]) -> list[Step]:
    """Lines of the ledger `steps`."""
    fields = (line.split() for line in lines)
    return [
        Step(kind == "end", int(number), who, int(pid), float(at)) for kind, number, who, pid, at in fields
    ]


def sent(lines: Iterable[str]) -> set[int]:
    """The tasks that the publisher knows to have been taken."""
    return {int(line.split()[1]) for line in lines if line.startswith("sent ")}


def ended(steps: Iterable[Step]) -> set[int]:
    """The tasks that were executed to their end, however often."""
    return {step.number for step in steps if step.is_end}


def in_progress(steps: Sequence[Step], victims: frozenset[str], at: float) -> frozenset[int]:
    """What occupied these workers' processes at that time, and what they began afterwards.

    That is the last task of each process, unless its end is so old that it was acknowledged: a worker
    does so when its main process has heard of the end, and the process gets its next task only then.
    """
    last: dict[int, int] = {}
    found: set[int] = set()
    for step in steps:
        if step.worker in victims and not step.is_end:
            if step.at > at:
                found.add(step.number)
            else:
                last[step.pid] = step.number
    over = {
        step.number
        for step in steps
        if step.is_end and step.worker in victims and step.at < at - ACKNOWLEDGED_S
    }
    return frozenset(found | set(last.values()) - over)


def repeated(steps: Iterable[Step]) -> set[int]:
    """Tasks that began more than once."""
    begun = Counter(step.number for step in steps if not step.is_end)
    return {number for number, times in begun.items() if times > 1}


def superfluous(steps: Sequence[Step], disruptions: Sequence[Disruption]) -> set[int]:
    """Tasks that began more than once although no disruption found them in progress."""
    return repeated(steps) - frozenset[int]().union(*(each.in_progress for each in disruptions))


def beyond(steps: Sequence[Step], disruptions: Sequence[Disruption]) -> int:
    """How many more tasks than were in progress at a disruption ran again after it, over all of them.

    A task that ran again counts for the first disruption after its first begin.
    """
    first: dict[int, float] = {}
    for step in steps:
        if not step.is_end:
            first.setdefault(step.number, step.at)
    again: Counter[float] = Counter()
    for number in repeated(steps):
        again[min((each.over for each in disruptions if each.over > first[number]), default=math.inf)] += 1
    allowed = {each.over: len(each.in_progress) for each in disruptions}
    return sum(max(0, many - allowed.get(over, 0)) for over, many in again.items())


def ages(steps: Sequence[Step], disruptions: Sequence[Disruption]) -> list[float]:
    """Of each superfluous task: seconds from its first end to the next disruption, where one follows."""
    numbers = superfluous(steps, disruptions)
    ends: dict[int, float] = {}
    for step in steps:
        if step.is_end and step.number in numbers:
            ends.setdefault(step.number, step.at)
    return [
        min(each.at - at for each in disruptions if each.at > at)
        for at in ends.values()
        if any(each.at > at for each in disruptions)
    ]


def pauses(steps: Sequence[Step], disruptions: Sequence[Disruption]) -> list[float | None]:
    """Seconds from the end of each disruption to the next task that begins; None where none does."""
    begins = [step.at for step in steps if not step.is_end]
    return [min((at - each.over for at in begins if at > each.over), default=None) for each in disruptions]


def returns(steps: Sequence[Step], disruptions: Sequence[Disruption]) -> list[float]:
    """Seconds from the end of a disruption until each task in progress began again, where it did."""
    found: list[float] = []
    for each in disruptions:
        again: dict[int, float] = {}
        for step in steps:
            if step.number in each.in_progress and not step.is_end and step.at > each.over:
                again.setdefault(step.number, step.at - each.over)
        found += again.values()
    return found
