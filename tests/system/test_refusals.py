"""A start that cannot be: what is said, with which status, and that nothing was begun."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.copies import copy_tree
from tests.system.stack import Stack

pytestmark = pytest.mark.system

SECRET = "s3cr3t-that-nobody-may-see"
WRONG = {
    "WEB_PORT": "eighty",
    "WEB_WORKERS": "0",
    "DJANGO_DEBUG": "yes",
    "DJANGO_CONFIGURATION": "production",
    "LOG_LEVEL": "loud",
    "TIME_ZONE": "Mars/Olympus",
    "DATABASE_URL": f"mysql://doorito:{SECRET}@localhost/doorito",
    "CELERY_QUEUES": "high,low",
    "CLEANUP_UPLOADS_INTERVAL_HOURS": "-1",
    "DOORITO_EMBEDED_POSTGRES": "true",
}


def _refused(stack: Stack, status: int) -> str:
    """What is said by a start that must end with `status`: no traceback, no secret."""
    assert stack.begin().wait() == status, stack.log
    assert "Traceback" not in stack.log
    assert SECRET not in stack.log
    assert stack.password not in stack.log
    assert stack.processes() == []
    return stack.log


@pytest.fixture
def unreachable_url() -> Iterator[str]:
    """The address of a database that refuses connections, on a port that nobody else can take."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        yield f"postgresql://doorito:{SECRET}@127.0.0.1:{nobody.getsockname()[1]}/doorito"


def test_a_taken_port_is_named_before_anything_starts() -> None:
    """Who has it, and which variable chooses another; no database was made."""
    with Stack() as stack, socket.create_server(("127.0.0.1", stack.port)):
        log = _refused(stack, 69)
        assert re.search(rf"port {stack.port} is taken by \S+ \(pid {os.getpid()}\)", log)
        assert f"WEB_PORT={stack.port + 1}" in log
        assert not stack.state_dir.exists()


def test_a_role_without_web_server_needs_no_port(unreachable_url: str) -> None:
    """The worker starts beside whatever has the port: it gets as far as the database."""
    environ = {"DATABASE_URL": unreachable_url, "DATABASE_WAIT_S": "0"}
    with Stack("celery-worker", environ=environ) as stack, socket.create_server(("127.0.0.1", stack.port)):
        assert "gave up waiting for the database" in _refused(stack, 69)


def test_a_second_stack_is_refused_and_the_first_goes_on(stack: Stack) -> None:
    """It says that one runs and how to stop that; the running one keeps its programs and its socket."""
    before = {program: stack.program_pid(program) for program in stack.status()}
    done = stack.doorito("run", "all")
    assert (done.returncode, done.stdout) == (69, "")
    assert "a stack already runs here" in done.stderr
    assert "supervisorctl shutdown" in done.stderr
    assert {program: stack.program_pid(program) for program in stack.status()} == before
    assert stack.get("/readyz")[0] == 200


def test_a_second_stack_on_the_same_database_is_refused(stack: Stack) -> None:
    """From another runtime folder: two servers on one folder of data would end each other's."""
    pid = stack.program_pid("postgres")
    with Stack("celery-worker", environ={"DOORITO_STATE_DIR": str(stack.state_dir)}) as other:
        assert other.begin().wait() == 69
        assert "another stack uses the database in" in other.log
        assert "or set DOORITO_STATE_DIR" in other.log
    assert stack.program_pid("postgres") == pid
    assert stack.answers("/readyz")


def test_ten_mistakes_are_ten_lines() -> None:
    """Each line has a variable's name, none has a secret's value, and the status is 78."""
    with Stack(environ=WRONG, embedded=False) as stack:
        log = _refused(stack, 78)
        assert sorted(line.split()[1].rstrip(":") for line in log.splitlines()) == sorted(WRONG)
        assert "did you mean DOORITO_EMBEDDED_POSTGRES?" in log
        assert not stack.state_dir.exists()


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["all", "extra"], ["--reload", "manage"], ["--relaod", "all"], ["-x"]]
)
def test_what_is_not_understood_is_answered_with_the_roles(arguments: list[str]) -> None:
    """Exit status 64, and the roles that there are."""
    with Stack(None, options=arguments) as stack:
        log = _refused(stack, 64)
        for role in ("all", "web", "celery-worker", "celery-beat", "dev", "manage", "doorito"):
            assert re.search(rf"\b{role}\b", log)


def test_a_runtime_folder_behind_a_link_is_refused() -> None:
    """Somebody else could have put the link there, under /tmp."""
    with Stack() as stack:
        stack.runtime_dir.symlink_to(stack.folder)
        assert "DOORITO_RUNTIME_DIR" in _refused(stack, 69)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a folder of somebody else's")
def test_a_runtime_folder_of_another_user_is_refused() -> None:
    """It names the folder and the variable."""
    with Stack() as stack:
        stack.runtime_dir.mkdir(mode=0o700)
        os.chown(stack.runtime_dir, 12345, 12345)
        assert f"{stack.runtime_dir} belongs to another user; set DOORITO_RUNTIME_DIR" in _refused(stack, 69)


def test_a_database_that_stays_away_is_waited_for_and_given_up(unreachable_url: str) -> None:
    """After DATABASE_WAIT_S seconds, with the reason in the words of the database driver."""
    environ = {"DATABASE_URL": unreachable_url, "DATABASE_WAIT_S": "1"}
    with Stack(environ=environ) as stack:
        log = _refused(stack, 69)
        assert re.search(r"^prepare +\| waiting for the database \(0 of 1 s\): .*refused", log, re.MULTILINE)
        assert re.search(r"^prepare +\| gave up waiting for the database after 1 s", log, re.MULTILINE)


def test_missing_migrations_are_waited_for_and_given_up(empty_database_url: str) -> None:
    """Role web applies none unless told; it names the first one and the variable."""
    environ = {"DATABASE_URL": empty_database_url, "MIGRATIONS_WAIT_S": "1"}
    with Stack("web", environ=environ) as stack:
        log = _refused(stack, 69)
        assert re.search(r"gave up waiting for the migrations after 1 s: \d+ are not applied", log)
        assert "the first is contenttypes.0001_initial (RUN_MIGRATIONS=true applies them)" in log


def test_a_program_that_fails_for_good_ends_everything(database_url: str, tmp_path: Path) -> None:
    """When its tries are used up, its name is said, all stops, and the status is 70."""
    tree = copy_tree(tmp_path / "tree")
    conf = tree / "supervisor/programs/web.conf"
    conf.write_text(conf.read_text().replace("startretries=8", "startretries=1"))
    with (tree / "boot/gunicorn.py").open("a") as configuration:
        configuration.write("\nraise SystemExit(3)\n")
    environ = {"DATABASE_URL": database_url, "SUPERVISE_ON_FAILURE": "exit"}
    with Stack("web", root=tree, environ=environ) as stack:
        log = _refused(stack, 70)
        assert log.splitlines()[-1].startswith("doorito       | exit status 70: web could not be started")
        assert not [path for path in stack.runtime_dir.iterdir() if path.is_socket()]
