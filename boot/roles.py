"""Roles: what `doorito run ROLE` starts. Pure data and pure functions; `boot.launch` acts on them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from boot import workers
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


def kind(program: str) -> str:
    """What a program is, by its name: several workers have a name each."""
    return workers.NAME if program.startswith(f"{workers.NAME}-") else program


def programs(role: str, embedded: bool, typed: Typed) -> tuple[str, ...]:
    """The programs of a supervised role, first started first; `embedded` adds our own PostgreSQL."""
    named = {workers.NAME: tuple(worker.name for worker in workers.of(typed))}
    ours = [name for each in SUPERVISED[role] for name in named.get(each, (each,))]
    return (("postgres",) if embedded else ()) + tuple(ours)


def is_embedded(typed: Typed, sources: Mapping[str, str]) -> bool:
    """Whether the embedded PostgreSQL serves: asked for, and no DATABASE_URL given."""
    return bool(typed["DOORITO_EMBEDDED_POSTGRES"]) and sources["DATABASE_URL"] == "default"


def reporting(names: Sequence[str], reload: bool) -> list[str]:
    """Those of `names` whose loops report; runserver's and PostgreSQL's do not."""
    return [name for name in names if name != "postgres" and not (reload and name == "web")]


def runs_migrations(role: str, typed: Typed) -> bool:
    """Whether this start applies migrations; unset, it does where nobody else could (role `all`)."""
    chosen = typed["RUN_MIGRATIONS"]
    return role == "all" if chosen is None else bool(chosen)


def program_files(names: Sequence[str], reload: bool, made: str) -> str:
    """The configuration files of `names`, as supervisord's [include] takes them, relative to its own.

    Those of several workers are made by the start, in the folder `made`.
    """

    def place(name: str) -> str:
        if kind(name) != name:
            return f"{made}/{name}.conf"
        return f"{'reload' if reload and name != 'postgres' else 'programs'}/{name}.conf"

    return " ".join(map(place, names))


def made_files(reload: bool, typed: Typed, template: Callable[[str], str]) -> dict[str, str]:
    """The program files of several workers by name; `template` reads one of ours."""
    folder = "reload" if reload else "programs"
    several = [worker for worker in workers.of(typed) if worker.name != workers.NAME]
    return {
        f"{worker.name}.conf": workers.program_file(template(f"{folder}/{workers.NAME}.conf"), worker)
        for worker in several
    }


def listens_on_path(typed: Typed) -> bool:
    """Whether the web server listens on a Unix socket."""
    return str(typed["WEB_BIND"]).startswith("unix:")


def web_address(typed: Typed) -> str:
    """Address and port as runserver and gunicorn take them; or unix:PATH, which gunicorn takes."""
    if listens_on_path(typed):
        return str(typed["WEB_BIND"])
    host = f"[{typed['WEB_BIND']}]" if ":" in typed["WEB_BIND"] else typed["WEB_BIND"]
    return f"{host}:{typed['WEB_PORT']}"


def probe_address(typed: Typed) -> list[str | int] | str:
    """Where a probe on this machine reaches the web server: host and port, or the path of its socket."""
    if listens_on_path(typed):
        return str(typed["WEB_BIND"]).removeprefix("unix:")
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound
    return [everywhere.get(typed["WEB_BIND"], typed["WEB_BIND"]), typed["WEB_PORT"]]


def holds_socket(names: Sequence[str], reload: bool) -> bool:
    """Whether supervisord holds the listening socket; runserver makes its own."""
    return "web" in names and not reload


def facts(
    role: str, names: Sequence[str], reload: bool, typed: Typed, postmaster_file: str
) -> dict[str, Any]:
    """What probes and the plug-in need to know, who read no environment; nothing secret."""
    limits = {"web": "WATCHDOG_WEB_S", workers.NAME: "WATCHDOG_WORKER_S", "celery-beat": "WATCHDOG_BEAT_S"}
    reporters = reporting(names, reload)
    return {
        "role": role,
        "programs": list(names),
        "reporting": reporters,
        "log_format": typed["LOG_FORMAT"],
        "probe": probe_address(typed),
        "holds_socket": holds_socket(names, reload),
        "backlog": typed["WEB_BACKLOG"],
        "postmaster_file": postmaster_file,
        "on_failure": typed["SUPERVISE_ON_FAILURE"],
        "restarts": [typed["SUPERVISE_RESTARTS"], typed["SUPERVISE_RESTARTS_WITHIN_S"]],
        "watchdog_s": {name: typed[limits[kind(name)]] for name in reporters},
        "drain_s": typed["WEB_DRAIN_S"],
        "processes": processes(reporters, typed),
        "stop_budget_s": typed["STOP_BUDGET_S"],
    }


def processes(names: Sequence[str], typed: Typed) -> dict[str, int]:
    """How many processes each program is to work with, for those that have several."""
    wanted = {"web": typed["WEB_WORKERS"]} | {worker.name: worker.concurrency for worker in workers.of(typed)}
    return {name: wanted[name] for name in names if name in wanted}


def supervisor_environment(
    role: str, names: Sequence[str], reload: bool, typed: Typed, made: str
) -> dict[str, str]:
    """What the configuration files interpolate: numbers and names, all set, none of it secret."""
    stop = stop_seconds(typed["STOP_BUDGET_S"], typed["WEB_DRAIN_S"])
    return {
        "DOORITO_ROLE": role,
        "DOORITO_PROGRAM_FILES": program_files(names, reload, made),
        "DOORITO_WEB_ADDRESS": web_address(typed),
        "DOORITO_WORKER_OPTIONS": workers.of(typed)[0].options().replace("%%", "%"),
        "DOORITO_POSTGRES_STOP_S": str(stop["postgres"]),
        "DOORITO_WEB_STOP_S": str(stop["web"]),
        "DOORITO_WORKER_STOP_S": str(stop[workers.NAME]),
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
    # The default names a port, on which nobody listens where the web server has a Unix socket.
    has_url = not listens_on_path(typed) or sources["PUBLIC_URL"] != "default"
    lines = [f"ready: {typed['PUBLIC_URL'] if has_url else web_address(typed)}"]
    source = sources.get("DJANGO_SUPERUSER_PASSWORD", "")
    if source.startswith("file ") and is_embedded(typed, sources):
        password = f"first password {typed['DJANGO_SUPERUSER_PASSWORD']}" if is_first else "first password"
        lines.append(f"  log in    {typed['DJANGO_SUPERUSER_EMAIL']}, {password} in {source}")
    return [*lines, f"  status    {status_command}", "  stop      Ctrl-C, or TERM"]
