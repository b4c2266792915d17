"""Queues and dead letters as a terminal shows them."""

from __future__ import annotations

import pytest

from apps.broker.listing import duration, queue_facts, queues_table
from apps.broker.overview import QueueState


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "-"), (-0.1, "0s"), (0.9, "0s"), (59.9, "59s"), (60, "1m"), (61, "1m 1s"), (3600, "1h"),
        (3601, "1h"), (3660, "1h 1m"), (90_000, "1d 1h"), (86_400 + 60, "1d"),
    ],
)  # fmt: skip
def test_a_duration_has_two_units(seconds: float | None, said: str) -> None:
    """The largest ones; nothing is rounded up."""
    assert duration(seconds) == said


def test_columns_are_aligned() -> None:
    """Numbers to the right."""
    states = [QueueState("a", ready=1_000_000, oldest_s=3700.0), QueueState("long.name", consumers=2)]
    assert queues_table(states).splitlines() == [
        "QUEUE        READY  DELAYED  UNACKED  OLDEST  CONSUMERS  DEAD",
        "a          1000000        0        0   1h 1m          0     0",
        "long.name        0        0        0       -          2     0",
    ]


def test_nothing_is_a_line_of_heads() -> None:
    """An empty broker is no error."""
    assert queues_table([]) == "QUEUE  READY  DELAYED  UNACKED  OLDEST  CONSUMERS  DEAD"


def test_a_terminal_has_nothing_to_obey() -> None:
    """A queue may have any name."""
    assert "\\x1b[2J" in queues_table([QueueState("\x1b[2J", declared=False, dead=1)])


def test_a_program_gets_seconds() -> None:
    """To the millisecond."""
    assert queue_facts(QueueState("q", oldest_s=1.23456))["oldest_s"] == 1.235
    assert queue_facts(QueueState("q"))["oldest_s"] is None
