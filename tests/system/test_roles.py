"""The dispatch table: what each role of `doorito run` starts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.copies import copy_tree
from tests.system.jobs import visitor
from tests.system.stack import Stack

pytestmark = pytest.mark.system

BROKEN = {"WEB_PORT": "eighty", "DJANGO_DEBUG": "maybe"}


@pytest.mark.parametrize(
    ("role", "program"),
    [(None, "web"), ("celery-worker", "celery-worker"), ("celery-beat", "celery-beat")],
)
def test_a_supervised_role_is_its_program_alone(role: str | None, program: str, database_url: str) -> None:
    """Without a role it is `web`; supervisorctl shows that one program, and it works."""
    with Stack(role, environ={"DATABASE_URL": database_url}) as stack:
        stack.start()
        assert list(stack.status()) == [program]
        where = stack.public_url if program == "web" else f"role {program}"
        assert stack.says(rf"^doorito +\| ready: {where}$")
        if program == "web":
            visitor(stack)
        # It may have been ready before supervisord calls that RUNNING: after `startsecs`.
        stack.wait_for("it to be RUNNING", lambda: stack.status() == {program: "RUNNING"})


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree, for what collectstatic and SQLite leave in it."""
    return copy_tree(tmp_path_factory.mktemp("roles") / "tree")


def test_dev_applies_no_migrations_unless_told(tree: Path) -> None:
    """RUN_MIGRATIONS is false by default, also for `dev`, which then says which variable helps."""
    environ = {"MIGRATIONS_WAIT_S": "0", "CELERY_TASK_ALWAYS_EAGER": "true"}
    with Stack("dev", root=tree, embedded=False, environ=environ) as stack:
        assert stack.begin().wait() == 69
        assert "RUN_MIGRATIONS=true applies them" in stack.log


def test_dev_collects_static_files_and_runs_djangos_server(tree: Path) -> None:
    """With RUN_MIGRATIONS it works from nothing, on SQLite; TERM ends it."""
    environ = {"RUN_MIGRATIONS": "true", "CELERY_TASK_ALWAYS_EAGER": "true"}
    with Stack("dev", root=tree, embedded=False, environ=environ) as stack:
        stack.begin().wait_for("the page", lambda: stack.answers("/readyz"))
        visitor(stack)
        assert (tree / "staticfiles/css/main.css").exists()
        assert (tree / "db.sqlite3").exists()
        stack.stop()
        assert stack.processes() == []
        assert "Traceback" not in stack.log


@pytest.fixture
def idle() -> Iterator[Stack]:
    """A stack that is not started: its environment, for single commands."""
    with Stack(embedded=False) as stack:
        stack.environ["DATABASE_URL"] = f"sqlite:///{stack.folder}/db.sqlite3"
        yield stack


def test_manage_is_djangos_manage(idle: Stack) -> None:
    """`doorito run manage check` is `python manage.py check`."""
    done = idle.doorito("run", "manage", "check")
    assert (done.returncode, done.stdout) == (0, "System check identified no issues (0 silenced).\n")


def test_doorito_is_the_doorito_command(idle: Stack) -> None:
    """`doorito run doorito env --json` is `doorito env --json`."""
    done = idle.doorito("run", "doorito", "env", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == json.loads(idle.doorito("env", "--json").stdout)
    assert "WEB_PORT" in done.stdout
    assert idle.password not in done.stdout


@pytest.mark.parametrize("environ", [{}, BROKEN], ids=["sound", "broken"])
def test_anything_else_is_run_as_it_is(environ: dict[str, str], idle: Stack) -> None:
    """Arguments, standard input and exit status go through, also with an environment that is broken."""
    idle.environ |= environ
    nasty = ["%s", "a b", "--help", "-x", "", "*", "$HOME", "\n"]
    done = idle.doorito("run", "sh", "-c", 'printf "[%s]" "$@"; cat; exit 7', "name", *nasty, given="read")
    assert (done.returncode, done.stderr) == (7, "")
    assert done.stdout == "".join(f"[{argument}]" for argument in nasty) + "read"


def test_manage_says_what_is_wrong_with_the_environment(idle: Stack) -> None:
    """A line for each mistake and status 78, like a start."""
    idle.environ |= BROKEN
    done = idle.doorito("run", "manage", "check")
    assert (done.returncode, done.stdout) == (78, "")
    assert sorted(line.split()[1] for line in done.stderr.splitlines()) == ["DJANGO_DEBUG:", "WEB_PORT:"]
