"""No request is lost while the web server is replaced: supervisord holds the listening socket."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.copies import copy_tree
from tests.system.databases import database
from tests.system.load import Load
from tests.system.stack import Stack

pytestmark = pytest.mark.system

SOME = 200  # requests before, and after


def restart(stack: Stack) -> None:
    """As somebody does by hand."""
    assert "web: started" in stack.supervisorctl("restart", "web")


def kill_master(stack: Stack) -> None:
    """gunicorn's master, by SIGKILL: its workers end by themselves once they notice."""
    stack.wait_for("it to run", lambda: stack.program_pid("web"))
    pid = stack.program_pid("web")
    os.kill(pid, signal.SIGKILL)
    stack.wait_for("another master", lambda: stack.program_pid("web") not in (0, pid))


def reload(stack: Stack) -> None:
    """New code, new settings."""
    done = stack.doorito("reload")
    assert done.returncode == 0, done.stderr
    assert "web: restarted, ready" in done.stdout


def reload_supervisord(stack: Stack) -> None:
    """supervisord itself begins a new life."""
    pid = stack.program_pid("web")
    stack.supervisorctl("reload")
    stack.wait_for("another master", lambda: stack.program_pid("web") not in (0, pid))


ACTIONS = (restart, kill_master, reload, reload_supervisord)


@pytest.fixture(scope="module")
def web(migrated: str) -> Iterator[Stack]:
    """A web server alone, by an address."""
    with database(template=migrated) as url, Stack("web", environ={"DATABASE_URL": url}) as stack:
        yield stack.start()


@pytest.fixture(scope="module")
def on_path(migrated: str) -> Iterator[Stack]:
    """The same on a Unix socket."""
    with database(template=migrated) as url, Stack("web", environ={"DATABASE_URL": url}) as stack:
        stack.environ["WEB_BIND"] = f"unix:{stack.folder}/web.sock"
        yield stack.start()


@pytest.mark.parametrize("action", ACTIONS)
def test_no_request_fails_meanwhile(web: Stack, action: Callable[[Stack], None]) -> None:
    """Connections wait in the backlog until the next gunicorn takes them."""
    with Load(("127.0.0.1", web.port), "/healthz") as load:
        load.wait_for(SOME)
        action(web)
        load.wait_for(SOME)
    assert load.failed == {}


@pytest.mark.parametrize("action", ACTIONS)
def test_nor_on_a_unix_socket(on_path: Stack, action: Callable[[Stack], None]) -> None:
    """gunicorn leaves its file alone; who probes and asks for the status finds it there."""
    path = on_path.folder / "web.sock"
    with Load(path, "/healthz") as load:
        load.wait_for(SOME)
        action(on_path)
        load.wait_for(SOME)
    assert load.failed == {}
    on_path.wait_for("health", lambda: on_path.doorito("health").returncode == 0)


def test_a_unix_socket_goes_with_its_stack(on_path: Stack) -> None:
    """Its file is removed, and the next start makes another."""
    path = on_path.folder / "web.sock"
    assert path.is_socket()
    assert on_path.stop() == 0
    assert not path.exists()
    on_path.start()
    assert path.is_socket()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_ipv6(migrated: str) -> None:
    """supervisord's own sockets are of IPv4 alone."""
    with database(template=migrated) as url, Stack("web", environ={"DATABASE_URL": url}) as stack:
        stack.environ["WEB_BIND"] = "::1"
        stack.start()
        with Load(("::1", stack.port), "/healthz") as load:
            load.wait_for(SOME)
            restart(stack)
            load.wait_for(SOME)
    assert load.failed == {}


@pytest.fixture(scope="module")
def unheld(migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A web server that makes its own listening socket, as gunicorn does by itself."""
    tree = copy_tree(tmp_path_factory.mktemp("unheld") / "tree")
    roles = tree / "boot/roles.py"
    code = roles.read_text()
    assert 'return "web" in names and not reload' in code
    roles.write_text(code.replace('return "web" in names and not reload', "return False"))
    with database(template=migrated) as url, Stack("web", root=tree, environ={"DATABASE_URL": url}) as stack:
        yield stack.start()


@pytest.mark.parametrize("action", [restart, kill_master])
def test_without_the_held_socket_requests_fail(unheld: Stack, action: Callable[[Stack], None]) -> None:
    """So the tests above can fail."""
    with Load(("127.0.0.1", unheld.port), "/healthz") as load:
        load.wait_for(SOME)
        action(unheld)
        unheld.wait_for("it to answer again", lambda: unheld.answers("/healthz"))
    assert load.failed


def test_a_backlog_has_an_end(migrated: str) -> None:
    """WEB_BACKLOG connections wait, one or two more by the kernel's rounding; the rest is not let in."""
    with database(template=migrated) as url, Stack("web", environ={"DATABASE_URL": url}) as stack:
        stack.environ["WEB_BACKLOG"] = "4"
        stack.start()
        stack.supervisorctl("stop", "web")
        waiting = []
        try:
            for _ in range(8):
                client = socket.socket()
                client.settimeout(0.5)
                waiting.append(client)
                if client.connect_ex(("127.0.0.1", stack.port)):
                    break
            assert 4 <= len(waiting) - 1 <= 6
        finally:
            for client in waiting:
                client.close()


def test_the_socket_is_no_way_into_other_programs(stack: Stack) -> None:
    """Only the web server's processes have it."""
    inode = {Path(f"/proc/{stack.pid}/fd/4").readlink()}
    for program in ("celery-worker", "celery-beat", "postgres"):
        descriptors = Path(f"/proc/{stack.program_pid(program)}/fd").iterdir()
        assert not inode & {descriptor.readlink() for descriptor in descriptors if descriptor.is_symlink()}
