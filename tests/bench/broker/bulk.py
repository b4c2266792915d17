"""How fast tasks are published in one transaction."""

from __future__ import annotations

from tests.bench.broker.systems import System


def measure(system: System, count: int) -> float:
    """Messages a second."""
    system.publish("purge")
    seconds: float = system.publish("bulk", count)
    return count / seconds
