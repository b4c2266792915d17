"""The time to stop that Compose grants, asked on the host, in the project's folder."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from boot import roles
from boot.doctor.durations import seconds
from boot.doctor.grant import Grant
from boot.env import VARIABLES
from boot.places import BASE_DIR

FILES: Final = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
MARKS: Final = (Path("/.dockerenv"), Path("/run/.containerenv"))  # of Docker's containers and of Podman's
DEFAULT_GRACE_S: Final = 10.0  # seconds; Compose's own
PATIENCE_S: Final = 10.0  # seconds
COMMAND: Final = ("docker", "compose", "config", "--format", "json")


class Unreadable(Exception):
    """There is a Compose file, but nobody tells what is in it; the message says why."""

    mend = f"`{' '.join(COMMAND[:3])}` shows why"


def is_container(marks: tuple[Path, ...] = MARKS) -> bool:
    return any(mark.exists() for mark in marks)


def grants(folder: Path = BASE_DIR) -> list[Grant]:
    """What each service of ours is granted; empty without a Compose file or without Docker.

    Raises Unreadable.
    """
    if not shutil.which("docker") or not any((folder / name).exists() for name in FILES):
        return []
    try:
        done = subprocess.run(COMMAND, cwd=folder, capture_output=True, check=False, timeout=PATIENCE_S)
        services: Mapping[str, Any] = json.loads(done.stdout)["services"]
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as error:
        # Not in its own words, which may quote a value.
        raise Unreadable("Docker does not tell what the Compose file grants") from error
    return [_grant(name, service) for name, service in services.items() if is_ours(name, service)]


def is_ours(name: str, service: Mapping[str, Any]) -> bool:
    """Whether the service runs a supervised role: by its command, or by its name where it has none."""
    role, *_ = _words(service.get("command")) or [name]
    return role in roles.SUPERVISED


def _words(command: str | list[str] | None) -> list[str]:
    return command.split() if isinstance(command, str) else command or []


def _grant(name: str, service: Mapping[str, Any]) -> Grant:
    """A service's own STOP_BUDGET_S counts, not that of this shell."""
    environment = service.get("environment") or {}
    budget = str(environment.get("STOP_BUDGET_S") or "")
    if not budget.isdecimal():  # a wrong one is what the service itself refuses to start with
        budget = str(VARIABLES["STOP_BUDGET_S"].default)
    grace = seconds(service.get("stop_grace_period") or "")
    setting = f"`stop_grace_period: {{seconds}}s` for {name}"
    return Grant(f"service {name}", DEFAULT_GRACE_S if grace is None else grace, int(budget), setting)
