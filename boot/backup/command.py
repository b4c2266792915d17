"""What `doorito backup` and `doorito restore` say, and with which status they end."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from boot import stopping
from boot.backup import create, restore
from boot.backup.errors import BackupError, WrongUse
from boot.backup.progress import Progress
from boot.env import Environment, load_or_exit

Facts = dict[str, Any]


def run_backup(file: str, force: bool, as_json: bool) -> int:
    """`doorito backup`; its exit status."""

    def work(env: Environment, progress: Progress) -> Facts:
        return create.backup(Path(file), force, env, progress)

    return _run(work, create.summary, as_json)


def run_restore(file: str, yes: bool, as_json: bool) -> int:
    """`doorito restore`; its exit status."""

    def work(env: Environment, progress: Progress) -> Facts:
        if not yes and not sys.stdin.isatty():
            raise WrongUse("a restore replaces everything; without a terminal to ask on, say --yes")
        return restore.restore(Path(file), lambda question: yes or _is_confirmed(question), env, progress)

    return _run(work, restore.summary, as_json)


def _run(
    work: Callable[[Environment, Progress], Facts], summary: Callable[[Facts], list[str]], as_json: bool
) -> int:
    """Work, then say on standard output what came of it; all else goes to standard error."""
    env = load_or_exit()
    progress = Progress(sys.stderr)
    try:
        stopping.raise_on_signals(once=True)
        facts = work(env, progress)
    except BackupError as error:
        progress.end()
        print(f"doorito: {error}", file=sys.stderr)
        return error.status
    except stopping.Stopped as stop:
        progress.end()
        print("doorito: stopped; nothing was changed", file=sys.stderr)
        return stop.status
    progress.end()
    print(json.dumps(facts) if as_json else "\n".join(summary(facts)))
    return os.EX_OK


def _is_confirmed(question: str) -> bool:
    print(question, "Type yes to go on: ", sep="\n", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() == "yes"
