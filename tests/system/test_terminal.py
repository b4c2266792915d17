"""A stack in a terminal, and one whose supervisord is killed."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.system.stack import Stack, wait_until

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def prepared() -> Iterator[Stack]:
    """A stack whose database is made, so that each test's own start is a short one."""
    with Stack("celery-beat", environ={"RUN_MIGRATIONS": "true"}) as made:
        yield made


def start_in_terminal(stack: Stack, act: Callable[[int, int], object]) -> tuple[int, str]:
    """Start the stack in a pseudo-terminal; once it is ready call `act` with its pid and the terminal.

    Returns its exit status and all that it wrote there.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        command = stack.command("run", *stack.arguments)
        os.execve(command[0], command, stack.environ)
    said = b""
    while b" ready: " not in said:
        said += os.read(terminal, 65536)
    act(pid, terminal)
    with contextlib.suppress(OSError):  # the other side was closed
        while chunk := os.read(terminal, 65536):
            said += chunk
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said.decode()


def test_ctrl_c_typed_in_a_terminal_stops_everything_with_status_0(prepared: Stack) -> None:
    """The key, not a signal sent by name: the terminal sends it to the whole group."""
    status, said = start_in_terminal(prepared, lambda _, terminal: os.write(terminal, b"\x03"))
    assert status == 0
    assert said.rstrip().endswith("stopped: postgres (exit status 0)")
    assert prepared.processes() == []


def test_a_closed_terminal_stops_everything(prepared: Stack) -> None:
    """SIGHUP, which supervisord would take for a reload, is a stop where it comes from a terminal."""
    status, _ = start_in_terminal(prepared, lambda _, terminal: os.close(terminal))
    assert status == 0
    assert prepared.processes() == []


@pytest.mark.parametrize("arguments", [("celery-beat",), ("--reload", "celery-beat")])
def test_a_killed_supervisord_leaves_no_program_running(
    arguments: tuple[str, ...], prepared: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL gives supervisord no chance; its programs stop by themselves, and a next start works."""
    monkeypatch.setattr(prepared, "arguments", arguments)
    status, _ = start_in_terminal(prepared, lambda pid, _: os.kill(pid, signal.SIGKILL))
    assert status == -signal.SIGKILL
    wait_until("all programs to end", lambda: prepared.processes() == [])
    status, _ = start_in_terminal(prepared, lambda pid, _: os.kill(pid, signal.SIGTERM))
    assert status == 0
