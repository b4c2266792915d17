"""The variables, and the file that they may come from."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from boot.doctor.deployment import Deployment
from boot.doctor.finding import Finding, error, ok, warning
from boot.env import VARIABLES, Environment

CHECK: Final = "variables"
EXPLAINED: Final = {*VARIABLES, *(f"{name}_FILE" for name, variable in VARIABLES.items() if variable.secret)}


def check(deployment: Deployment) -> Iterator[Finding]:
    yield from examined(deployment.env)
    path: Path | None = deployment.value("DOORITO_ENV_FILE")
    if path:
        with contextlib.suppress(OSError):  # `examined` has said that it cannot be read
            yield from readable(path, path.stat())


def examined(env: Environment) -> Iterator[Finding]:
    """Each problem is an error, each warning a warning, in the words of the registry."""
    for problem in env.problems:
        yield error(CHECK, problem, _mend(problem))
    for text in env.warnings:
        yield warning(CHECK, text, _mend(text))
    if not env.problems and not env.warnings:
        given = sum(source != "default" for name, source in env.sources.items() if name in VARIABLES)
        verb = "is" if given == 1 else "are"
        yield ok(CHECK, f"{given} {verb} set, the others have their defaults")


def readable(path: Path, status: os.stat_result) -> Iterator[Finding]:
    """A file with passwords is its owner's alone.

    Where it is root's, the group may be the one that the service runs as, which has to read it.
    """
    for_service = status.st_uid == 0 and status.st_gid != 0
    open_to = stat.S_IROTH if for_service else stat.S_IROTH | stat.S_IRGRP
    if status.st_mode & open_to:
        mode = "640" if for_service else "600"
        yield warning(CHECK, f"{path} can be read by others than its owner", f"`chmod {mode} {path}`")


def _mend(text: str) -> str:
    """The command that tells more: problems and warnings begin with the name that they are about."""
    name = text.partition(":")[0]
    more = f"`doorito env explain {name}` tells all about it"
    return more if name in EXPLAINED else "`doorito env` lists all that there are"
