"""What a reload hands to supervisord: a file in the runtime folder, its owner's alone. Standard library only.

Not over XML-RPC: supervisord logs a request that it cannot read, and this one holds every secret; and whoever
may use its socket is not to say what programs run in.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

NAME: Final = "renewal.json"


class NotOurs(Exception):
    """The file was not left by this user for itself alone."""


class Plan(NamedTuple):
    """How programs are to run from now on."""

    environ: Mapping[str, str]
    facts: Mapping[str, Any]  # see boot.roles
    made: Mapping[str, str]  # program files of several workers, by name


def leave(folder: Path, plan: Plan) -> None:
    """Write it for supervisord. Raises OSError."""
    path = folder / NAME
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(plan._asdict(), file)


def take(folder: Path) -> Plan:
    """Read it, and remove it. Raises OSError, ValueError, TypeError, NotOurs."""
    path = folder / NAME
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor) as file:
        status = os.fstat(descriptor)
        path.unlink()
        if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) != 0o600:
            raise NotOurs(f"{path} was not left by this user for itself alone")
        return Plan(**json.load(file))
