"""The embedded PostgreSQL: made once, shared by commands, handed over to the stack."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from boot import places, postgres
from boot.places import BASE_DIR

COMMAND = """\
import sys
from pathlib import Path
from boot import postgres
with postgres.serving(postgres.cluster(Path(sys.argv[1]), Path(sys.argv[2]))):
    print("served", flush=True)
    sys.stdin.read()
"""

# TERM comes while subprocess alone knows the pid of the server: its child waits for it, before its exec.
STOPPED_ON_THE_WAY = """\
import os, signal, sys
from pathlib import Path
from boot import parent, postgres, stopping
stopping.raise_on_signals(once=False)
asked, ask = os.pipe()
sent, send = os.pipe()
if not os.fork():
    os.read(asked, 1)
    os.kill(os.getppid(), signal.SIGTERM)
    os._exit(0)
os.close(send)
parent.follow = lambda number: (os.write(ask, b"x"), os.read(sent, 1))
try:
    with postgres.serving(postgres.cluster(Path(sys.argv[1]), Path(sys.argv[2]))):
        print("served", flush=True)
except stopping.Stopped:
    print("stopped", flush=True)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Holds the state and the runtime folder of a cluster of this module's own."""
    own = tmp_path_factory.mktemp("postgres")
    (own / "state").mkdir()
    yield own
    shutil.rmtree(places.postgres_home(own / "state"), ignore_errors=True)


@pytest.fixture
def where(folder: Path) -> Iterator[postgres.Cluster]:
    """That cluster. No server runs on it, before a test and after it."""
    own = postgres.cluster(folder / "state", folder / "run")
    assert postgres.server_pid(own) is None
    yield own
    assert postgres.server_pid(own) is None


def _connect(where: postgres.Cluster) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(host=str(where.socket_dir), user="doorito", dbname="doorito")


def _ask(where: postgres.Cluster, query: bytes) -> object:
    with _connect(where) as connection:
        row = connection.execute(query).fetchone()
        return row and row[0]


def test_a_server_is_made_and_serves_a_block(where: postgres.Cluster) -> None:
    """PostgreSQL 16 with a UTF-8 database that is ours, on a private socket alone; gone after the block."""
    with postgres.serving(where):
        assert str(_ask(where, b"SHOW server_version")).startswith("16.")
        assert _ask(where, b"SHOW server_encoding") == "UTF8"
        assert _ask(where, b"SHOW listen_addresses") == ""
        assert _ask(where, b"SHOW unix_socket_permissions") == "0700"


def test_what_was_stored_is_found_again(where: postgres.Cluster) -> None:
    """The second server runs on the data of the first."""
    with postgres.serving(where), _connect(where) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    with postgres.serving(where):
        assert _ask(where, b"SELECT answer FROM kept") == 42


def test_a_block_within_a_block_uses_the_same_server(where: postgres.Cluster) -> None:
    """The inner one neither starts nor stops it."""
    with postgres.serving(where):
        pid = postgres.server_pid(where)
        with postgres.serving(where):
            assert postgres.server_pid(where) == pid
        assert _ask(where, b"SELECT 1") == 1


def test_commands_that_begin_at_once_share_one_server(where: postgres.Cluster, folder: Path) -> None:
    """One of them starts it, whichever; it stays until the last has ended."""
    with contextlib.ExitStack() as running:
        commands = [running.enter_context(_command(folder)) for _ in range(4)]
        for command in commands:
            # Before any is waited for: the one that started the server waits for the others.
            running.callback(_end, command)
        assert [_line(command) for command in commands] == ["served\n"] * 4
        pid = postgres.server_pid(where)
        for command in commands:
            assert postgres.server_pid(where) == pid
            assert _ask(where, b"SELECT 1") == 1
            _end(command)
    assert [command.returncode for command in commands] == [0, 0, 0, 0]


def test_the_stacks_server_takes_over_from_a_commands(where: postgres.Cluster, folder: Path) -> None:
    """`doorito postgres` ends the other, becomes the server, and outlives the command; INT ends it."""
    environ = {
        "DOORITO_STATE_DIR": str(folder / "state"),
        "DOORITO_RUNTIME_DIR": str(folder / "run"),
        "DOORITO_EMBEDDED_POSTGRES": "true",
    }
    command = [sys.executable, str(BASE_DIR / "doorito"), "postgres"]
    with (folder / "log").open("wb") as log:
        with postgres.serving(where):
            before = postgres.server_pid(where)
            process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
            deadline = time.monotonic() + 30
            while postgres.server_pid(where) in (None, before):
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.01)
        assert postgres.server_pid(where) == process.pid
        assert _ask(where, b"SELECT 1") == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_a_pid_file_that_was_left_fools_nobody(where: postgres.Cluster) -> None:
    """After a power cut its pid may be another program's by now."""
    left = where.data / "postmaster.pid"
    left.write_text(f"{os.getpid()}\n\n\n\n\n\n\nready\n")
    try:
        assert postgres.server_pid(where) is None
    finally:
        left.unlink()


def test_a_server_that_cannot_start_says_why(where: postgres.Cluster) -> None:
    """Its own words, for instance about a data folder that is damaged."""
    version = where.data / "PG_VERSION"
    version.write_text("9\n")
    try:
        with (
            pytest.raises(postgres.PostgresError, match="initialized by PostgreSQL version 9"),
            postgres.serving(where),
        ):
            pass
    finally:
        version.write_text("16\n")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The message holds the folder."""
    (tmp_path / "file").touch()
    impossible = postgres.Cluster(tmp_path / "file" / "home", tmp_path / "run")
    with pytest.raises(postgres.PostgresError, match=r"cannot be made in .*/file/home"):
        postgres.make(impossible)


def _command(folder: Path, code: str = COMMAND) -> subprocess.Popen[str]:
    """A command that needs the server until its standard input is closed."""
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder / "state"), str(folder / "run")],
        cwd=BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _line(command: subprocess.Popen[str]) -> str:
    assert command.stdout
    return command.stdout.readline()


def _end(command: subprocess.Popen[str]) -> None:
    assert command.stdin
    command.stdin.close()


def test_a_stale_pid_file_that_names_another_server_fools_nobody(
    where: postgres.Cluster, tmp_path: Path
) -> None:
    """After a reboot the pid in it may be another checkout's server: that one is not ours."""
    with postgres.serving(where):
        lines = (where.data / "postmaster.pid").read_text()
        stale = postgres.Cluster(tmp_path, tmp_path / "run")
        stale.data.mkdir()
        (stale.data / "postmaster.pid").write_text(lines)
        assert postgres.server_pid(where)
        assert postgres.server_pid(stale) is None


def test_a_command_that_is_killed_leaves_no_server(where: postgres.Cluster, folder: Path) -> None:
    """SIGKILL gives it no chance to stop the server that it has started: the kernel tells that to stop."""
    with _command(folder) as command:
        assert _line(command) == "served\n"
        pid = postgres.server_pid(where)
        assert pid
        command.kill()
        command.wait()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_command_that_is_stopped_while_the_server_starts_leaves_none(
    where: postgres.Cluster, folder: Path
) -> None:
    """However early TERM comes: `./doorito run manage` ends what it has begun."""
    postgres.make(where)
    for wait in (0.2, 0.3, 0.4, 0.5):
        command = subprocess.Popen(
            [BASE_DIR / "doorito", "run", "manage", "check"],
            env=os.environ
            | {
                "DOORITO_STATE_DIR": str(folder / "state"),
                "DOORITO_RUNTIME_DIR": str(folder / "run"),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(wait)
        command.terminate()
        command.wait()
        assert postgres._postmaster(where) == (None, False)


def test_a_stop_while_the_server_is_being_forked_leaves_none(where: postgres.Cluster, folder: Path) -> None:
    """By then it has no name yet, and the kernel is not asked to end it: the command itself has to."""
    with _command(folder, STOPPED_ON_THE_WAY) as command:
        assert _line(command) == "stopped\n"
        assert command.wait() == 0
    assert postgres._postmaster(where) == (None, False)
