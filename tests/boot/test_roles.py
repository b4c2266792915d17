"""Roles, as data."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from boot import roles
from boot.env import load
from boot.workers import Wanted

TYPED: dict[str, Any] = {
    "RUN_MIGRATIONS": None,
    "WEB_BIND": "0.0.0.0",
    "WEB_PORT": 8000,
    "STOP_BUDGET_S": 120,
    "WEB_DRAIN_S": 0,
    "CELERY_QUEUES": ["high", "default"],
    "CELERY_WORKERS": (Wanted((), None),),
    "CELERY_CONCURRENCY": 4,
    "DOORITO_EMBEDDED_POSTGRES": True,
    "PUBLIC_URL": "http://localhost:8000",
    "DJANGO_SUPERUSER_EMAIL": "admin@example.com",
    "DJANGO_SUPERUSER_PASSWORD": "made up",
}
TWO: dict[str, Any] = {"CELERY_WORKERS": (Wanted(("high",), 2), Wanted(("default",), None))}


@pytest.mark.parametrize(
    ("role", "embedded", "programs"),
    [
        ("all", False, ("web", "celery-worker", "celery-beat")),
        ("all", True, ("postgres", "web", "celery-worker", "celery-beat")),
        ("web", False, ("web",)),
        ("celery-worker", True, ("postgres", "celery-worker")),
        ("celery-beat", False, ("celery-beat",)),
    ],
)
def test_a_role_has_its_programs(role: str, embedded: bool, programs: tuple[str, ...]) -> None:
    """The embedded PostgreSQL comes first where it serves."""
    assert roles.programs(role, embedded, TYPED) == programs


def test_several_workers_are_several_programs() -> None:
    """Each by its name, of the kind of all workers."""
    names = roles.programs("all", False, TYPED | TWO)
    assert names == ("web", "celery-worker-high", "celery-worker-default", "celery-beat")
    assert [roles.kind(name) for name in names] == ["web", "celery-worker", "celery-worker", "celery-beat"]
    assert roles.programs("web", False, TYPED | TWO) == ("web",)


@pytest.mark.parametrize(
    ("asked", "source", "embedded"),
    [(True, "default", True), (True, "environment", False), (False, "default", False)],
)
def test_the_embedded_server_serves_without_a_database_url(asked: bool, source: str, embedded: bool) -> None:
    """Somebody's DATABASE_URL wins."""
    typed = TYPED | {"DOORITO_EMBEDDED_POSTGRES": asked}
    assert roles.is_embedded(typed, {"DATABASE_URL": source}) is embedded


@pytest.mark.parametrize(
    ("role", "chosen", "expected"),
    [
        ("all", None, True),
        ("all", False, False),
        ("web", None, False),
        ("web", True, True),
        ("dev", None, False),
        ("dev", True, True),
    ],
)
def test_who_applies_migrations(role: str, chosen: bool | None, expected: bool) -> None:
    """Unset, only role `all` does, where nobody else could."""
    assert roles.runs_migrations(role, TYPED | {"RUN_MIGRATIONS": chosen}) is expected


@pytest.mark.parametrize(
    ("argument", "variable", "role"),
    [
        (None, None, "web"),
        ("celery-beat", None, "celery-beat"),
        (None, "celery-worker", "celery-worker"),
        ("web", "celery-worker", "celery-worker"),
        ("all", "all", "all"),
        (None, "dev", "dev"),
        ("manage", "all", "manage"),
        ("sh", "all", "sh"),
    ],
)
def test_the_variable_holds_where_the_command_says_nothing(
    argument: str | None, variable: str | None, role: str
) -> None:
    """Or says `web`, as the image does; commands run beside whatever role a container has."""
    assert roles.choose(argument, variable) == role


@pytest.mark.parametrize(("argument", "variable"), [("all", "web"), ("dev", "all"), ("celery-beat", "web")])
def test_two_roles_are_a_disagreement(argument: str, variable: str) -> None:
    """Both are named."""
    with pytest.raises(roles.Disagreement, match=f"DOORITO_ROLE: is {variable}, .* {argument}"):
        roles.choose(argument, variable)


@pytest.mark.parametrize(
    ("bind", "host"),
    [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("127.0.0.1", "127.0.0.1"), ("192.0.2.1", "192.0.2.1")],
)
def test_where_a_probe_reaches_the_web_server(bind: str, host: str) -> None:
    """On this machine, whatever it listens on."""
    assert roles.probe_address(TYPED | {"WEB_BIND": bind}) == [host, 8000]
    assert roles.probe_address(TYPED | {"WEB_BIND": "unix:/run/web.sock"}) == "/run/web.sock"


def test_facts_hold_no_secret() -> None:
    """What probes and the plug-in need, and not the whole environment."""
    typed: Any = load({"DJANGO_SUPERUSER_PASSWORD": "made up", "DJANGO_SUPERUSER_EMAIL": "a@b.c"}).typed
    told = roles.facts("all", roles.programs("all", True, typed), False, typed, "/data/postmaster.pid")
    assert told["programs"] == ["postgres", "web", "celery-worker", "celery-beat"]
    assert told["probe"] == ["127.0.0.1", 8000]
    assert told["watchdog_s"] == {"web": 30, "celery-worker": 60, "celery-beat": 60}
    assert told["processes"] == {"web": 4, "celery-worker": 4}
    assert told["holds_socket"]
    assert "made up" not in str(told)


def test_program_files() -> None:
    """Programs come from `programs/`; those that reload from `reload/`, which PostgreSQL does not."""
    names = ("postgres", "web", "celery-worker-high")
    made = " /run/x/programs/celery-worker-high.conf"
    assert (
        roles.program_files(names, False, "/run/x/programs")
        == f"programs/postgres.conf programs/web.conf{made}"
    )
    assert (
        roles.program_files(names, True, "/run/x/programs") == f"programs/postgres.conf reload/web.conf{made}"
    )


def test_files_are_made_for_several_workers_only() -> None:
    """Of the one for a single worker, or of the one that reloads."""
    asked = []

    def template(name: str) -> str:
        asked.append(name)
        return "[program:celery-worker]\n"

    assert roles.made_files(False, TYPED, template) == {}
    assert roles.made_files(True, TYPED | TWO, template) == {
        "celery-worker-high.conf": "[program:celery-worker-high]\n",
        "celery-worker-default.conf": "[program:celery-worker-default]\n",
    }
    assert set(asked) == {"reload/celery-worker.conf"}


def test_programs_that_report() -> None:
    """PostgreSQL and runserver do not."""
    names = ("postgres", "web", "celery-worker", "celery-beat")
    assert roles.reporting(names, reload=False) == ["web", "celery-worker", "celery-beat"]
    assert roles.reporting(names, reload=True) == ["celery-worker", "celery-beat"]


@pytest.mark.parametrize(
    ("bind", "address"),
    [("127.0.0.1", "127.0.0.1:8000"), ("::1", "[::1]:8000"), ("unix:/run/web.sock", "unix:/run/web.sock")],
)
def test_the_web_address(bind: str, address: str) -> None:
    """IPv6 stands in brackets; a Unix socket has no port."""
    assert roles.web_address(TYPED | {"WEB_BIND": bind}) == address


def test_what_configuration_files_interpolate_is_set_and_plain() -> None:
    """Every value is there, none is secret, none holds a `%`."""
    given = roles.supervisor_environment("all", ("web",), False, TYPED, "/run/x/programs")
    assert given["DOORITO_WORKER_OPTIONS"] == "-Q high,default -c 4"
    assert given["DOORITO_WEB_ADDRESS"] == "0.0.0.0:8000"
    stops = [given[f"DOORITO_{name}_STOP_S"] for name in ("POSTGRES", "WEB", "WORKER", "BEAT")]
    assert max(map(int, stops[1:])) + int(stops[0]) <= 120
    assert not any("%" in value or value == "made up" for value in given.values())


@pytest.mark.parametrize(
    ("role", "arguments", "command"),
    [
        ("dev", ["--noreload"], [sys.executable, "manage.py", "runserver", "0.0.0.0:8000", "--noreload"]),
        ("manage", ["migrate"], [sys.executable, "manage.py", "migrate"]),
        ("doorito", ["env", "--json"], [sys.executable, "doorito", "env", "--json"]),
        ("sh", ["-c", "echo $1", "%"], ["sh", "-c", "echo $1", "%"]),
    ],
)
def test_the_other_roles_are_commands(role: str, arguments: list[str], command: list[str]) -> None:
    """Arguments are handed on as they are."""
    assert roles.command(role, arguments, TYPED) == command


def test_the_announcement_says_where_how_to_look_and_how_to_stop() -> None:
    """The first password is said where `make run` made it up, and nowhere else."""
    made_up = {"DJANGO_SUPERUSER_PASSWORD": "file .env.local", "DATABASE_URL": "default"}
    said = "\n".join(roles.announcement("all", TYPED, made_up, "bin/supervisorctl status", True))
    for part in (
        "http://localhost:8000",
        "admin@example.com",
        "made up",
        "bin/supervisorctl status",
        "Ctrl-C",
    ):
        assert part in said
    for sources in (
        made_up | {"DJANGO_SUPERUSER_PASSWORD": "environment"},
        made_up | {"DATABASE_URL": "environment"},
    ):
        assert "made up" not in "\n".join(roles.announcement("all", TYPED, sources, "status", True))


def test_a_unix_socket_is_announced_where_no_url_leads_to_it() -> None:
    """The default of PUBLIC_URL names a port; what somebody has set leads to a proxy."""
    typed = {**TYPED, "WEB_BIND": "unix:/run/site/web.sock"}
    for source, said in (("default", "unix:/run/site/web.sock"), ("environment", TYPED["PUBLIC_URL"])):
        assert roles.announcement("web", typed, {"PUBLIC_URL": source}, "", False)[0] == f"ready: {said}"


def test_a_later_announcement_says_where_the_first_password_is_and_not_what_it_is() -> None:
    """Somebody may look over a shoulder, and it may have been changed."""
    made_up = {"DJANGO_SUPERUSER_PASSWORD": "file .env.local", "DATABASE_URL": "default"}
    said = "\n".join(roles.announcement("all", TYPED, made_up, "status", False))
    assert "first password in file .env.local" in said
    assert "made up" not in said


def test_a_role_without_web_server_says_only_that_it_is_ready() -> None:
    """There is no address."""
    assert roles.announcement("celery-beat", TYPED, {}, "status", True)[0] == "ready: role celery-beat"
