"""`doorito doctor`: one check after another, each finding said as soon as it is known."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from typing import Final

from boot.doctor import (
    broker,
    clock,
    connections,
    folders,
    memory,
    migrations,
    reachability,
    report,
    server,
    shm,
    space,
    stop,
    variables,
)
from boot.doctor.deployment import Deployment, find
from boot.doctor.finding import Finding, skipped, status
from boot.env import examine

INTERRUPTED: Final = 130  # as shells say it: 128 and the number of SIGINT
UNWRITABLE: Final = 2  # nobody was told that all is well
OF_A_SERVER: Final = (reachability.VERSION_CHECK, connections.CHECK, migrations.CHECK, clock.CHECK)


def examined(deployment: Deployment) -> Iterator[Finding]:
    """Every finding, in the order in which a reader wants them."""
    yield from variables.check(deployment)
    yield from _database(deployment)
    yield from folders.check(deployment)
    yield from space.check(deployment)
    yield shm.check()
    yield from stop.check(deployment)
    yield memory.check(deployment)


def _database(deployment: Deployment) -> Iterator[Finding]:
    try:
        asked = server.ask(deployment)
    except server.NotAsked as reason:
        yield skipped(reachability.CHECK, str(reason), reason.mend)
        yield from (skipped(check, "the database was not asked") for check in (*OF_A_SERVER, broker.CHECK))
        return
    yield from reachability.check(deployment, asked)
    if asked.reason:
        yield from (skipped(check, "the database cannot be used") for check in OF_A_SERVER)
    else:
        yield connections.check(deployment, asked)
        yield migrations.check(deployment, asked)
        yield clock.check(asked)
    yield broker.check(asked)


class _Unwritable(Exception):
    """Nobody can read the report: the disk is full, or whoever read has read enough."""


def show(as_json: bool) -> int:
    """Print the report; the exit status is 0 when all is well, 1 with warnings, 2 with errors."""
    deployment = find(examine())
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        reconfigure(errors="backslashreplace")  # a locale may be unable to print a path
    try:
        return _print(deployment, as_json)
    except KeyboardInterrupt:
        return INTERRUPTED
    except _Unwritable as reason:
        print(f"doorito: the report cannot be written ({reason})", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python tries again at its end
        return UNWRITABLE


def _print(deployment: Deployment, as_json: bool) -> int:
    is_terminal = sys.stdout.isatty()
    given = deployment.env.merged
    colours = is_terminal and not given.get("NO_COLOR") and given.get("TERM") != "dumb"
    width = shutil.get_terminal_size().columns if is_terminal else None
    findings = []
    for finding in examined(deployment):
        findings.append(finding)
        if not as_json:
            _say(report.lines(finding, colours, width))
    _say(report.as_json(findings) if as_json else f"\n{report.summary(findings)}")
    return status(findings)


def _say(text: str) -> None:
    try:
        print(text, flush=True)
    except OSError as error:
        raise _Unwritable(error.strerror) from error
