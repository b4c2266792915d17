"""What a program and all that it has started use."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from boot.status import usage
from boot.status.usage import Usage

# A leader with a child, both with ten megabytes; they wait until standard input is closed.
SCRIPT = """
import os, sys, time
kept = b"x" * 10_000_000
pid = os.fork()
kept = bytearray(kept)
if pid:
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    print("begun", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def group() -> Iterator[int]:
    """The process group of such a program."""
    command = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout
        process.stdout.readline()
        yield process.pid
        assert process.stdin
        process.stdin.close()


def test_a_group_is_counted_whole(group: int) -> None:
    """Memory of both, CPU time of both; other groups are left out."""
    found = usage.measure({group, 2**30})
    assert found.keys() == {group}
    assert found[group].memory > 20_000_000
    assert found[group].cpu_s >= 0.15


LEFT = """
import os, sys
if not os.fork():
    os.setsid()
    kept = bytearray(b"x") * 50_000_000
    print("left", flush=True)
sys.stdin.read()
"""


def test_what_has_left_the_group_is_counted_with_its_parent() -> None:
    """PostgreSQL's processes make groups of their own."""
    with subprocess.Popen(
        [sys.executable, "-c", LEFT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as leader:
        assert leader.stdout
        leader.stdout.readline()
        assert usage.measure({leader.pid})[leader.pid].memory > 50_000_000


def test_our_own_group_is_another(group: int) -> None:
    """By the kernel's word, not by names."""
    assert usage.measure({os.getpgrp()})[os.getpgrp()].memory > 0
    assert group != os.getpgrp()


def test_cpu_is_what_was_used_between_two_looks() -> None:
    """Of one CPU; what is new has none yet, and a process that has ended takes nothing back."""
    before = {1: Usage(0, 1.0), 2: Usage(0, 5.0)}
    after = {1: Usage(0, 1.5), 2: Usage(0, 4.0), 3: Usage(0, 9.0)}
    assert usage.shares(before, after, 2.0) == {1: 25.0, 2: 0.0}
