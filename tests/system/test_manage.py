"""`doorito run manage ...` with the embedded server, whether the stack runs or not."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.system.jobs import visitor
from tests.system.stack import PATIENCE_S, Stack

pytestmark = pytest.mark.system

COUNT = "from apps.accounts.models import User; print(User.objects.count())"


@pytest.fixture(scope="module")
def own() -> Iterator[Stack]:
    """A stack of this module's own, not started at first. Its tests build on each other, in order."""
    with Stack() as stack:
        yield stack


def test_migrate_makes_the_database(own: Stack) -> None:
    """On nothing at all: server, database and tables are made, and the server is gone afterwards."""
    done = own.doorito("run", "manage", "migrate")
    assert done.returncode == 0, done.stderr
    assert "Applying uploads.0001_initial... OK" in done.stdout
    assert own.processes() == []


def test_createsuperuser_makes_an_account(own: Stack) -> None:
    """`createsuperuser --noinput`, as Django documents it; a wrong use has Django's own status."""
    done = own.doorito("run", "manage", "createsuperuser", "--noinput")
    assert (done.returncode, done.stdout) == (0, "Superuser created successfully.\n"), done.stderr
    again = own.doorito("run", "manage", "createsuperuser", "--noinput")
    assert again.returncode == 1
    assert "already" in again.stderr
    assert own.processes() == []


def test_two_commands_at_once_share_a_server(own: Stack) -> None:
    """The one that started it ends before the other, which goes on undisturbed."""
    with _shell(own) as first, _shell(own) as second:
        assert (_ask(first), _ask(second)) == ("1", "1")
        assert first.stdin
        first.stdin.close()
        assert _ask(second) == "1"
        assert second.stdin
        second.stdin.close()
        assert (first.wait(PATIENCE_S), second.wait(PATIENCE_S)) == (0, 0)
    assert own.processes() == []


def test_a_stack_takes_the_server_over(own: Stack) -> None:
    """A start while a shell is open: the shell's server makes way, the shell goes on with the stack's."""
    with _shell(own) as shell:
        assert _ask(shell) == "1"
        own.start()
        visitor(own)
        assert _ask(shell) == "1"
        assert shell.stdin
        shell.stdin.close()
        assert shell.wait(PATIENCE_S) == 0
    visitor(own)
    assert own.program_pid("postgres") in own.processes()


def test_commands_work_beside_a_running_stack(own: Stack) -> None:
    """They use its server and leave it running; standard input and exit status are the command's."""
    before = own.program_pid("postgres")
    assert own.manage(COUNT) == "1"
    done = own.doorito("run", "manage", "shell", "--no-imports", given="raise SystemExit(5)\n")
    assert done.returncode == 5
    assert own.doorito("run", "manage", "migrate", "--check").returncode == 0
    assert own.program_pid("postgres") == before
    assert not re.search("exited: postgres", own.log)


def _shell(stack: Stack) -> subprocess.Popen[str]:
    """Django's shell: for each line that it is sent it prints the number of accounts, on a new connection."""
    loop = (
        "import sys; from django.db import connection\n"
        f"for _ in sys.stdin:\n    {COUNT}; connection.close(); sys.stdout.flush()"
    )
    return subprocess.Popen(
        stack.command("run", "manage", "shell", "--no-imports", "-c", loop),
        env=stack.environ,
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
        start_new_session=True,
    )


def _ask(shell: subprocess.Popen[str]) -> str:
    assert shell.stdin
    assert shell.stdout
    shell.stdin.write("go\n")
    return shell.stdout.readline().strip()
