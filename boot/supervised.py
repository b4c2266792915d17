"""What a program of ours does for supervisord; nothing where somebody runs it by hand."""

from __future__ import annotations

import signal
from pathlib import Path

from boot import heartbeat, parent, roles
from boot.env import program


def follow() -> None:
    """Stop when supervisord is killed: a program that nobody watches would keep its port or its schedule."""
    if program():
        parent.follow(signal.SIGTERM)


def report(
    runtime_dir: Path,
    kind: str,
    ready: bool,
    reasons: tuple[str, ...] = (),
    processes: int | None = None,
    exempt: bool = False,
) -> None:
    """Report as the program of this `kind` that this process is of; not as another's, nor by hand."""
    name = program()
    if name and roles.kind(name) == kind:
        heartbeat.report(runtime_dir, name, ready, reasons, processes, exempt)
