"""A program that cannot be kept running: seen from outside, or said where a developer looks."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.copies import copy_tree
from tests.system.stack import Stack

pytestmark = pytest.mark.system

EX_SOFTWARE = 70


@pytest.fixture
def stack_of_two(database_url: str) -> Iterator[Stack]:
    """Worker and web server would do; role all has them."""
    environ = {"DATABASE_URL": database_url, "SUPERVISE_RESTARTS": "2"}
    with Stack(environ=environ) as stack:
        yield stack


def kill(stack: Stack, program: str) -> None:
    """Once, as soon as it counts as running."""
    stack.wait_for(f"{program} to run", lambda: stack.program_pid(program))
    pid = stack.program_pid(program)
    os.kill(pid, signal.SIGKILL)
    stack.wait_for("its death", lambda: stack.program_pid(program) != pid)


def test_a_program_that_dies_again_and_again_ends_the_stack(stack_of_two: Stack) -> None:
    """With 70, and why in the last line; the rest is stopped in order."""
    stack = stack_of_two
    stack.environ["SUPERVISE_ON_FAILURE"] = "exit"
    stack.start()
    for _ in range(2):
        kill(stack, "celery-worker")
    stack.wait_for("it to run", lambda: stack.program_pid("celery-worker"))
    os.kill(stack.program_pid("celery-worker"), signal.SIGKILL)
    assert stack.wait() == EX_SOFTWARE
    last = stack.log.splitlines()[-1]
    assert last.startswith("doorito       | exit status 70: celery-worker ended 3 times within ")
    assert "(terminated by SIGKILL" in last
    assert stack.processes() == []
    assert "stopped: web (exit status 0)" in stack.log


def test_a_developers_stack_keeps_the_others_up(stack_of_two: Stack) -> None:
    """And says so, once; the program is tried again all the same."""
    stack = stack_of_two
    stack.start()
    for _ in range(3):
        kill(stack, "celery-worker")
    said = r"^doorito +\| celery-worker ended 3 times within .*; the others stay up"
    stack.wait_for("its word", lambda: stack.says(said))
    stack.wait_for("all to run", lambda: set(stack.status().values()) == {"RUNNING"})
    assert stack.answers("/readyz")
    assert stack.stop() == 0


def test_a_program_that_never_starts_leaves_the_others_up(database_url: str, tmp_path: Path) -> None:
    """Beat's command does not exist: supervisord tries, and gives up. What ends all is in test_refusals."""
    tree = copy_tree(tmp_path / "tree")
    file = tree / "supervisor/programs/celery-beat.conf"
    text = re.sub(r"^command=\S+", "command=no-such-command", file.read_text(), flags=re.MULTILINE)
    file.write_text(text.replace("startretries=8", "startretries=1"))
    with Stack(root=tree, environ={"DATABASE_URL": database_url}) as stack:
        stack.begin()
        stack.wait_for("its word", lambda: stack.says(r"celery-beat could not be started.*others stay up"))
        stack.wait_for("the site", lambda: stack.answers("/readyz"))
        assert stack.status()["celery-beat"] == "FATAL"
        assert stack.stop() == 0
