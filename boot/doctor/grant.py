"""The time to stop that somebody grants."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Grant:
    """`whose` is a unit or a service; `setting` holds {seconds} and is what to write there instead."""

    whose: str
    granted_s: float  # seconds until it kills; infinity where it never does
    budget_s: int  # its STOP_BUDGET_S
    setting: str
