"""A start: what is decided and done before supervisord, and by a reload once more."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from boot import postgres, roles, runtime
from boot.env import Environment
from boot.places import BASE_DIR
from boot.startlog import StartLog

EX_UNAVAILABLE: Final = 69
EX_SOFTWARE: Final = 70
EX_CONFIG: Final = 78
CONFIGURATION: Final = BASE_DIR / "supervisor" / "supervisord.conf"


class Refused(Exception):
    """The start cannot go on; the message says why and what to do."""

    def __init__(self, message: str, status: int = EX_UNAVAILABLE) -> None:
        super().__init__(message)
        self.status = status


class Start:
    """What a start of a supervised role decides and does before supervisord; a reload does it again."""

    def __init__(self, role: str, reload: bool, env: Environment) -> None:
        self.role = role
        self.reload = reload
        self.env = env
        self.folder: Path = env["DOORITO_RUNTIME_DIR"]
        self.embedded = roles.is_embedded(env.typed, env.sources)
        self.names = roles.programs(role, self.embedded, env.typed)
        made = str(runtime.made(self.folder))
        ours = roles.supervisor_environment(role, self.names, reload, env.typed, made)
        self.environ = children_environment(env) | ours
        self.log = StartLog(env["LOG_FORMAT"])

    def facts(self) -> dict[str, Any]:
        """See `roles.facts`; and what a reload has to know of this start."""
        env_file = self.env["DOORITO_ENV_FILE"]
        return {
            **roles.facts(self.role, self.names, self.reload, self.env.typed, self._postmaster_file),
            "coloured": self.log.is_coloured,
            "reload": self.reload,
            "embedded": self.embedded,
            "env_file": str(env_file) if env_file else "",
            # Those of the file, and places that `children_environment` fills in.
            "not_given": sorted(name for name, source in self.env.sources.items() if source != "environment"),
        }

    def prepare(self) -> None:
        """See the function of that name."""
        prepare(self.role, self.env, self.environ, self.log)

    def rehearse(self) -> None:
        """Load what the programs will load. Raises Refused where that fails; why is in the log."""
        if self.log.follow("rehearse", [sys.executable, "-m", "boot.rehearse"], self.environ):
            raise Refused("the code does not load, see above", EX_SOFTWARE)

    def made_files(self) -> dict[str, str]:
        """Program files of several workers, by name."""
        supervisor = CONFIGURATION.parent
        return roles.made_files(self.reload, self.env.typed, lambda name: (supervisor / name).read_text())

    def write_files(self) -> None:
        """What supervisord, its plug-in and probes read."""
        runtime.write_facts(self.folder, self.facts())
        runtime.write_made(self.folder, self.made_files())

    @property
    def _postmaster_file(self) -> str:
        return str(cluster(self.env).data / "postmaster.pid")


def children_environment(env: Environment) -> dict[str, str]:
    """What programs inherit: the process environment over the file, places made absolute.

    Free text goes through unchanged. The file's name does not: its values are here already.
    """
    environ = dict(env.merged)
    environ.pop("DOORITO_ENV_FILE", None)
    for name in ("DOORITO_RUNTIME_DIR", "DOORITO_STATE_DIR", "MEDIA_ROOT", "STATIC_ROOT"):
        environ[name] = str(env[name])
    for name in ("DJANGO_SETTINGS_MODULE", "DJANGO_CONFIGURATION"):
        environ[name] = env[name]
    environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environ.get("PATH", os.defpath)])
    # What is printed comes out when it is printed, also into a pipe: `migrate` shows its progress.
    environ.setdefault("PYTHONUNBUFFERED", "1")
    # What the watchdog aborts writes down where its threads stand.
    environ.setdefault("PYTHONFAULTHANDLER", "1")
    # gunicorn looks for its configuration before it looks at the working folder.
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(BASE_DIR), environ.get("PYTHONPATH")]))
    return environ


def prepare(role: str, env: Environment, environ: Mapping[str, str], log: StartLog) -> None:
    """The database, as the role needs it. Raises Refused."""
    options = ["--migrate"] if roles.runs_migrations(role, env.typed) else []
    status = log.follow("prepare", [sys.executable, "-m", "boot.prepare", *options], environ)
    if status:
        known = {1: EX_SOFTWARE}  # Python's own, for what nobody has foreseen
        raise Refused("the start was given up, see above", known.get(status, max(status, EX_UNAVAILABLE)))


def cluster(env: Environment) -> postgres.Cluster:
    """The embedded server of this environment's folders."""
    return postgres.cluster(env["DOORITO_STATE_DIR"], env["DOORITO_RUNTIME_DIR"])
