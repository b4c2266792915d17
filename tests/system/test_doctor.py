"""`doorito doctor` of sound and of broken deployments, as a person types it."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from boot import postgres
from tests import embedded
from tests.system.databases import execute, url
from tests.system.jobs import do_main_job, visitor
from tests.system.stack import Stack, wait_until
from tests.system.test_refusals import SECRET, WRONG

pytestmark = pytest.mark.system

Report = list[tuple[str, str, str]]  # check, level, message
OF_A_DATABASE = ("database", "version", "connections", "migrations", "clock")


def _doctor(status: int, environ: Mapping[str, str], role: str | None = None) -> Report:
    """The findings, which are the same for people and for machines: no traceback, no secret."""
    told = {} if role is None else {"DOORITO_ROLE": role}
    with Stack(environ={**environ, **told}, embedded=False) as stack:
        done = stack.doorito("doctor", "--json")
        assert done.returncode == status, done.stdout
        assert done.stderr == ""
        report: dict[str, Any] = json.loads(done.stdout)
        assert report["status"] == status
        for hidden in (SECRET, stack.password):
            assert hidden not in done.stdout
        assert all(bool(found["mend"]) or found["level"] in ("ok", "skipped") for found in report["findings"])
        assert [path.name for path in stack.folder.iterdir()] == []
        return [(found["check"], found["level"], found["message"]) for found in report["findings"]]


def _of(check: str, report: Report) -> tuple[str, str]:
    """Level and message of the only finding of a check."""
    ((_, level, message),) = [found for found in report if found[0] == check]
    return level, message


def test_a_sound_deployment_is_well(database_url: str) -> None:
    """Exit status 0; every check is there, and every one of the database's was made."""
    report = _doctor(0, {"DATABASE_URL": database_url}, role="all")
    checks = {check for check, _, _ in report}
    assert checks == {
        *OF_A_DATABASE, "broker", "variables", "folders", "free space", "/dev/shm", "stop budget", "memory",
    }  # fmt: skip
    assert {level for check, level, _ in report if check in OF_A_DATABASE} == {"ok"}


def test_people_get_a_line_a_check_and_a_sum(database_url: str) -> None:
    """Without colours, since nobody looks."""
    with Stack(environ={"DATABASE_URL": database_url}, embedded=False) as stack:
        done = stack.doorito("doctor")
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        *lines, empty, last = done.stdout.splitlines()
        assert all(re.match(r"(ok|skipped) +[a-z/]|  +-> ", line) for line in lines)
        assert empty == ""
        assert re.fullmatch(r"0 errors, 0 warnings(, \d not checked)?", last)


def test_a_warning_is_exit_status_1(database_url: str, tmp_path: Path) -> None:
    """A file of variables that others can read."""
    file = tmp_path / "environment"
    file.write_text(f"DATABASE_URL={database_url}\n")
    file.chmod(0o644)
    report = _doctor(1, {"DOORITO_ENV_FILE": str(file)}, role="all")
    assert [message for _, level, message in report if level == "warning"] == [
        f"{file} can be read by others than its owner"
    ]


@pytest.fixture
def nobody() -> Iterator[socket.socket]:
    """A port that is taken, and on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken


def test_a_wrong_port_is_an_error(nobody: socket.socket) -> None:
    """With the driver's reason; what depends on the database is not checked, the rest is."""
    address = f"postgresql://doorito:{SECRET}@127.0.0.1:{nobody.getsockname()[1]}/doorito"
    report = _doctor(2, {"DATABASE_URL": address})
    level, message = _of("database", report)
    assert level == "error"
    assert message.startswith(address.replace(SECRET, "***"))
    assert "refused" in message
    assert {_of(check, report)[0] for check in OF_A_DATABASE[1:]} == {"skipped"}
    assert _of("folders", report)[0] == "ok"


def test_a_host_that_does_not_exist_is_an_error() -> None:
    """No such name anywhere: RFC 6761."""
    report = _doctor(2, {"DATABASE_URL": f"postgresql://doorito:{SECRET}@db.invalid:5432/doorito"})
    assert _of("database", report)[0] == "error"


def test_a_host_that_accepts_and_says_nothing_is_given_up(nobody: socket.socket) -> None:
    """Within bounded time, as the connection is."""
    nobody.listen()
    address = f"postgresql://doorito:{SECRET}@127.0.0.1:{nobody.getsockname()[1]}/doorito?connect_timeout=2"
    level, message = _of("database", _doctor(2, {"DATABASE_URL": address}))
    assert level == "error"
    assert "timeout" in message


@pytest.fixture
def guest() -> Iterator[str]:
    """A user of the tests' own server who has to give a password."""
    where = postgres.cluster(embedded.STATE_DIR, embedded.FOLDER / "run")
    rules = where.data / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"local all guest scram-sha-256\n{before}")
    execute(f"CREATE ROLE guest LOGIN PASSWORD '{SECRET}'")
    try:
        execute("SELECT pg_reload_conf()")
        wait_until("the server to ask for a password", lambda: "password" in _refusal("guest"))
        yield "guest"
    finally:
        rules.write_text(before)
        execute("SELECT pg_reload_conf()")
        execute("DROP ROLE guest")


def _refusal(user: str) -> str:
    try:
        psycopg.connect(url("postgres").replace("doorito@", f"{user}:wrong@", 1)).close()
    except psycopg.OperationalError as error:
        return str(error)
    return ""


def test_a_wrong_password_is_an_error_that_does_not_show_it(guest: str, database_url: str) -> None:
    """With what mends it; the right one is let in, and has no rights to the tables."""
    wrong = database_url.replace("doorito@", f"{guest}:{SECRET}-not@", 1)
    level, message = _of("database", _doctor(2, {"DATABASE_URL": wrong}))
    assert level == "error"
    assert 'password authentication failed for user "guest"' in message
    report = _doctor(2, {"DATABASE_URL": database_url.replace("doorito@", f"{guest}:{SECRET}@", 1)})
    assert _of("database", report)[0] == "ok"
    assert _of("migrations", report) == (
        "error", "cannot be told: permission denied for table django_migrations",
    )  # fmt: skip


def test_an_empty_database_has_pending_migrations(empty_database_url: str) -> None:
    """An error for a role that applies none, a warning for one that does."""
    level, message = _of("migrations", _doctor(2, {"DATABASE_URL": empty_database_url}, role="web"))
    assert level == "error"
    assert re.fullmatch(r"\d+ are not applied: contenttypes.0001_initial, .* and \d+ more", message)
    assert _of("migrations", _doctor(1, {"DATABASE_URL": empty_database_url}, role="all"))[0] == "warning"


def test_a_broker_without_its_tables_is_an_error(database_url: str, empty_database_url: str) -> None:
    """In a database of its own, with the command that makes them."""
    environ = {"DATABASE_URL": database_url, "CELERY_BROKER_URL": f"sqla+{empty_database_url}"}
    level, message = _of("broker", _doctor(2, environ, role="all"))
    assert (level, message) == ("error", "the database of CELERY_BROKER_URL lacks the broker's tables")


def test_too_many_threads_are_an_error(database_url: str) -> None:
    """Against what the real server gives."""
    environ = {"DATABASE_URL": database_url, "WEB_WORKERS": "128", "WEB_THREADS": "128"}
    level, message = _of("connections", _doctor(2, environ, role="all"))
    assert level == "error"
    assert message.startswith("too many: 17674 = web 128 x (128 + 10) + celery-worker (4 + 2 x 2)")
    assert "(max_connections 100 - 3 reserved" in message


def test_a_broken_environment_has_a_full_report(nobody: socket.socket) -> None:
    """Ten mistakes are ten errors, and the database is asked all the same."""
    address = f"postgresql://doorito:{SECRET}@127.0.0.1:{nobody.getsockname()[1]}/doorito"
    report = _doctor(2, WRONG)
    wrong = [message for check, level, message in report if (check, level) == ("variables", "error")]
    assert sorted(message.partition(":")[0] for message in wrong) == sorted(WRONG)
    assert _of("database", report) == ("skipped", "not checked: DATABASE_URL could not be read")
    assert _of("/dev/shm", report)[0] == "ok"
    asked = _doctor(2, WRONG | {"DATABASE_URL": address})
    assert "refused" in _of("database", asked)[1]


def test_folders_that_cannot_be_written_into_are_errors(database_url: str, tmp_path: Path) -> None:
    """A file in the place of one."""
    (tmp_path / "file").touch()
    environ = {"DATABASE_URL": database_url, "MEDIA_ROOT": str(tmp_path / "file")}
    found = [message for check, level, message in _doctor(2, environ) if level == "error"]
    assert found == [f"MEDIA_ROOT: {tmp_path}/file cannot be written into (Not a directory)"]


def test_sqlite_is_looked_at_without_making_it(tmp_path: Path) -> None:
    """In development; what is PostgreSQL's alone is not checked."""
    environ = {"DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3", "CELERY_TASK_ALWAYS_EAGER": "true"}
    report = _doctor(1, environ)
    assert _of("database", report)[0] == "warning"
    assert {_of(check, report)[0] for check in ("version", "connections", "clock", "broker")} == {"skipped"}
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_cannot_be_written_is_no_success() -> None:
    """A full disk, which /dev/full is: one line, no traceback, status 2."""
    with Stack(embedded=False) as stack, Path("/dev/full").open("w") as full:
        done = subprocess.run(
            stack.command("doctor"), env=stack.environ, stdout=full, stderr=subprocess.PIPE, check=False
        )
        said = b"doorito: the report cannot be written (No space left on device)\n"
        assert (done.returncode, done.stderr) == (2, said)


def test_an_interrupt_ends_it_quietly(nobody: socket.socket) -> None:
    """While it waits for a database that says nothing; who asks it ends as well."""
    nobody.listen()
    port = nobody.getsockname()[1]
    environ = {"DATABASE_URL": f"postgresql://doorito@127.0.0.1:{port}/doorito?connect_timeout=100"}
    with Stack(environ=environ, embedded=False) as stack:
        process = subprocess.Popen(
            stack.command("doctor"), env=stack.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        asking, _ = nobody.accept()
        with asking:
            process.send_signal(signal.SIGINT)
            assert (process.communicate()[1], process.returncode) == (b"", 130)
            wait_until("the end of who asked", lambda: not stack.processes())


def test_wrong_use_is_exit_status_64() -> None:
    """As of every command."""
    with Stack(embedded=False) as stack:
        assert stack.doorito("doctor", "--jsno").returncode == 64


def test_a_running_stack_is_well_and_holds_no_more_connections_than_reckoned(stack: Stack) -> None:
    """The embedded server is asked, the role is known, and the estimate is not below what is open."""
    senders = [
        threading.Thread(target=visitor(stack).upload, args=(f"{number}.txt", b"a file"))
        for number in range(6)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    do_main_job(stack)
    done = stack.doorito("doctor", "--json")
    assert done.returncode == 0, done.stdout
    found = {finding["check"]: finding["message"] for finding in json.loads(done.stdout)["findings"]}
    match = re.fullmatch(r"(\d+) = .* for role all, of 97 \(.*\); (\d+) open now", found["connections"])
    assert match, found["connections"]
    reckoned, now = map(int, match.groups())
    assert 0 < now <= reckoned
