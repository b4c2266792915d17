"""In what order programs stop: those that others need last, all others at once. Pure.

Stopped one after another, their times would add up; stopped at once, the slowest is what a stop takes.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

# What needs what. The web server and the workers need each other only through the database.
NEEDED_BY_ALL: Final = ("postgres",)
WEB: Final = "web"


def to_stop(alive: Collection[str], begun_s: float, drain_s: float) -> list[str]:
    """Those of `alive` that are to be told to stop now, first told first.

    `begun_s` seconds ago the stop began; for the first `drain_s` of them the web server goes on, so that
    whoever balances the load sees it unready before it closes.
    """
    clients = [name for name in alive if name not in NEEDED_BY_ALL]
    if not clients:
        return list(alive)
    return [name for name in clients if name != WEB or begun_s >= drain_s]


def until_next(alive: Collection[str], begun_s: float, drain_s: float) -> float | None:
    """Seconds until more may be told; None where only an end is waited for."""
    return drain_s - begun_s if WEB in alive and begun_s < drain_s else None
