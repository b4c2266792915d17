"""One host for all tests of this folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.scenarios.host.machine import Machine


@pytest.fixture(scope="session")
def engine() -> None:
    """A working container engine. Without one tests skip, but not in CI."""
    try:
        done = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False)
        reason = done.stderr.strip() if done.returncode else ""
    except FileNotFoundError:
        reason = "there is no docker command"
    if reason and os.environ.get("CI"):
        pytest.fail(f"no container engine: {reason}")
    if reason:
        pytest.skip(f"no container engine: {reason}")


@pytest.fixture(scope="session")
def installed(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, list[str]]]:
    """A host on which a new user has followed deploy/README.md, and what was said at the two steps."""
    with Machine(tmp_path_factory.mktemp("host")) as machine:
        yield machine, machine.install()


@pytest.fixture
def host(installed: tuple[Machine, list[str]]) -> Machine:
    """The host, with its service running, whatever a test before did."""
    machine, _ = installed
    if machine.unit("ActiveState") != "active":
        machine.install()
    return machine
