"""Waiting for what a start needs, and giving up with a reason and an exit status."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from boot.refusals import understand

EX_UNAVAILABLE: Final = 69  # sysexits.h: a service stays away
EX_CONFIG: Final = 78
RETRY_S: Final = 0.5  # seconds between two tries
REPORT_S: Final = 5.0  # seconds between two lines while waiting


class GiveUp(Exception):
    """Preparation cannot go on; `status` is the exit status."""

    def __init__(self, message: str, status: int = EX_UNAVAILABLE) -> None:
        super().__init__(message)
        self.status = status


def wait(what: str, limit_s: float, missing: Callable[[], str | None]) -> None:
    """Ask `missing` until it returns None; say what it says when waiting starts and now and then.

    Raises GiveUp after `limit_s` seconds.
    """
    start = time.monotonic()
    next_report = 0.0
    while reason := missing():
        waited = time.monotonic() - start
        if waited >= limit_s:
            raise GiveUp(f"gave up waiting for {what} after {limit_s:g} s: {reason}")
        if waited >= next_report:
            print(f"waiting for {what} ({waited:.0f} of {limit_s:g} s): {reason}", flush=True)
            next_report += REPORT_S
        time.sleep(RETRY_S)


def wait_for_databases(variables: Mapping[str, str], limit_s: float) -> None:
    """`variables` are those that name the databases, by Django's names of them. Raises GiveUp."""
    if len(variables) == 1:
        [(alias, variable)] = variables.items()
        wait("the database", limit_s, lambda: database_reason(alias, variable))
        return

    def missing() -> str | None:
        reasons = {variable: database_reason(alias, variable) for alias, variable in variables.items()}
        return "; ".join(f"{variable}: {reason}" for variable, reason in reasons.items() if reason) or None

    wait("the databases", limit_s, missing)


def database_reason(alias: str, variable: str) -> str | None:
    """Why the database cannot be used, on one line; None when it can. Raises GiveUp where it refuses us."""
    from django.db import DatabaseError, connections

    try:
        connections[alias].close()
        connections[alias].ensure_connection()
    except DatabaseError as error:
        reason = " ".join(str(error).split())
        refusal = understand(reason, variable)
        if refusal.is_final:
            raise GiveUp(f"the database refuses us: {reason}; {refusal.mend}", EX_CONFIG) from error
        return reason
    return None
