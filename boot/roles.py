"""Roles: what `doorito run ROLE` starts. Pure data and pure functions; `boot.launch` acts on them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from boot.rules import stop_seconds

SUPERVISED: Final[Mapping[str, tuple[str, ...]]] = {
    "all": ("web", "celery-worker", "celery-beat"),
    "web": ("web",),
    "celery-worker": ("celery-worker",),
    "celery-beat": ("celery-beat",),
}
DEFAULT: Final = "web"
NAMES: Final = (*SUPERVISED, "dev", "manage", "doorito")
Typed = Mapping[str, Any]


class Disagreement(Exception):
    """The command and DOORITO_ROLE name two roles; the message names both."""


def choose(argument: str | None, variable: str | None) -> str:
    """The role that a start has, of its argument and of DOORITO_ROLE.

    The variable is for platforms where the command cannot be changed: it holds where there is no argument,
    or the image's own (`web`). Raises Disagreement where both say something else.
    """
    if not variable or argument in (None, DEFAULT):
        return variable or argument or DEFAULT
    if argument in (*SUPERVISED, "dev") and argument != variable:
        raise Disagreement(
            f"DOORITO_ROLE: is {variable}, but the command says {argument}; leave one of them out"
        )
    return str(argument)


def programs(role: str, embedded: bool) -> tuple[str, ...]:
    """The programs of a supervised role, first started first; `embedded` adds our own PostgreSQL."""
    return (("postgres",) if embedded else ()) + SUPERVISED[role]


def is_embedded(typed: Typed, sources: Mapping[str, str]) -> bool:
    """Whether the embedded PostgreSQL serves: asked for, and no DATABASE_URL given."""
    return bool(typed["DOORITO_EMBEDDED_POSTGRES"]) and sources["DATABASE_URL"] == "default"


def reporting(names: Sequence[str], reload: bool) -> list[str]:
    """Those of `names` that report their readiness themselves; runserver and PostgreSQL do not."""
    return [name for name in names if name != "postgres" and not (reload and name == "web")]


def runs_migrations(role: str, typed: Typed) -> bool:
    """Whether this start applies migrations; unset, it does where nobody else could (role `all`)."""
    chosen = typed["RUN_MIGRATIONS"]
    return role == "all" if chosen is None else bool(chosen)


def program_files(names: Sequence[str], reload: bool) -> str:
    """The configuration files of `names`, relative to supervisord.conf, as its [include] takes them."""
    folders = ["programs" if name == "postgres" or not reload else "reload" for name in names]
    return " ".join(f"{folder}/{name}.conf" for folder, name in zip(folders, names, strict=True))


def web_address(typed: Typed) -> str:
    """Address and port as runserver and gunicorn take them."""
    host = f"[{typed['WEB_BIND']}]" if ":" in typed["WEB_BIND"] else typed["WEB_BIND"]
    return f"{host}:{typed['WEB_PORT']}"


def probe_address(typed: Typed) -> list[str | int]:
    """Host and port where a probe on this machine reaches the web server."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound
    return [everywhere.get(typed["WEB_BIND"], typed["WEB_BIND"]), typed["WEB_PORT"]]


def facts(role: str, names: Sequence[str], reload: bool, typed: Typed) -> dict[str, Any]:
    """What probes and the plug-in need to know, who read no environment; nothing secret."""
    return {
        "role": role,
        "programs": list(names),
        "reporting": reporting(names, reload),
        "log_format": typed["LOG_FORMAT"],
        "probe": probe_address(typed),
        "stop_budget_s": typed["STOP_BUDGET_S"],
    }


def supervisor_environment(role: str, names: Sequence[str], reload: bool, typed: Typed) -> dict[str, str]:
    """What the configuration files interpolate: numbers and names, all set, none of it secret."""
    stop = stop_seconds(typed["STOP_BUDGET_S"])
    return {
        "DOORITO_ROLE": role,
        "DOORITO_PROGRAM_FILES": program_files(names, reload),
        "DOORITO_WEB_ADDRESS": web_address(typed),
        "DOORITO_CELERY_QUEUES": ",".join(typed["CELERY_QUEUES"]),
        "DOORITO_POSTGRES_STOP_S": str(stop["postgres"]),
        "DOORITO_WEB_STOP_S": str(stop["web"]),
        "DOORITO_WORKER_STOP_S": str(stop["celery-worker"]),
        "DOORITO_BEAT_STOP_S": str(stop["celery-beat"]),
    }


def collectstatic() -> list[str]:
    return [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]


def command(role: str, arguments: Sequence[str], typed: Typed | None) -> list[str]:
    """The command line of a role that is not supervised; `typed` is needed by `dev` alone."""
    if role == "dev" and typed is not None:
        return [sys.executable, "manage.py", "runserver", web_address(typed), *arguments]
    if role == "manage":
        return [sys.executable, "manage.py", *arguments]
    if role == "doorito":
        return [sys.executable, "doorito", *arguments]
    return [role, *arguments]


def announcement(
    role: str, typed: Typed, sources: Mapping[str, str], status_command: str, is_first: bool
) -> list[str]:
    """What is said once all programs are ready: where, who, how to look, how to stop.

    At the first start the password that `make run` made up is said; later, where it is to be found.
    """
    if "web" not in SUPERVISED[role]:
        return [f"ready: role {role}"]
    lines = [f"ready: {typed['PUBLIC_URL']}"]
    source = sources.get("DJANGO_SUPERUSER_PASSWORD", "")
    if source.startswith("file ") and is_embedded(typed, sources):
        password = f"first password {typed['DJANGO_SUPERUSER_PASSWORD']}" if is_first else "first password"
        lines.append(f"  log in    {typed['DJANGO_SUPERUSER_EMAIL']}, {password} in {source}")
    return [*lines, f"  status    {status_command}", "  stop      Ctrl-C, or TERM"]
