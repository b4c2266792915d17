"""What is known of the deployment that is looked at: its variables, its role, whether it runs."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from boot import roles
from boot.env import Environment

PROC: Final = Path("/proc")
WORKERS: Final = ("CELERY_WORKERS", "CELERY_QUEUES", "CELERY_CONCURRENCY")  # which there are
SUPERVISOR: Final = b"boot.supervision.main"  # what `doorito run` becomes


@dataclass(frozen=True)
class Deployment:
    """`role` is None where nothing tells it, `pid` where no supervisord of ours runs."""

    env: Environment
    role: str | None
    pid: int | None

    @property
    def programs(self) -> tuple[str, ...]:
        """The programs that this deployment runs: those of its role, or all of them."""
        if self.role == "dev":
            return ("web",)
        if self.lacks(*WORKERS):
            return roles.SUPERVISED[self.role or "all"]
        return roles.programs(self.role or "all", False, self.env.typed)

    @property
    def described(self) -> str:
        return f"role {self.role}" if self.role else "all roles together"

    def value(self, name: str) -> Any:
        """The variable's value; None where it is unset or could not be read."""
        return self.env.typed.get(name)

    def lacks(self, *names: str) -> str:
        """Those of the variables that could not be read, in words; empty when all could."""
        missing = [name for name in names if name not in self.env.typed]
        return f"{' and '.join(missing)} could not be read" if missing else ""


def find(env: Environment) -> Deployment:
    """The deployment of this environment; the role that runs is told by the runtime folder."""
    folder = env.typed.get("DOORITO_RUNTIME_DIR")
    role = env.typed.get("DOORITO_ROLE") or (_role(folder) if folder else None)
    return Deployment(env, role, _pid(folder) if folder else None)


def _role(folder: Path) -> str | None:
    """The role that was started last with this runtime folder."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        role = json.loads((folder / "facts.json").read_text())["role"]
        return role if role in roles.SUPERVISED else None
    return None


def _pid(folder: Path) -> int | None:
    """The pid of the supervisord that runs, if one does: the file may be left by a killed one."""
    with contextlib.suppress(OSError, ValueError):
        pid = int((folder / "supervisord.pid").read_text())
        if SUPERVISOR in (PROC / str(pid) / "cmdline").read_bytes().split(b"\0"):
            return pid
    return None
