"""What a program of ours does for supervisord; nothing where somebody runs it by hand."""

from __future__ import annotations

import signal
from pathlib import Path

from boot import heartbeat, parent
from boot.env import program


def follow() -> None:
    """Stop when supervisord is killed: a program that nobody watches would keep its port or its schedule."""
    if program():
        parent.follow(signal.SIGTERM)


def report(runtime_dir: Path, name: str, ready: bool, reasons: tuple[str, ...] = ()) -> None:
    """Report as program `name`, unless this process is another: a second worker, say, beside ours."""
    if program() == name:
        heartbeat.report(runtime_dir, name, ready, reasons)
