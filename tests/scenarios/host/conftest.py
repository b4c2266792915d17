"""One host for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scenarios.host.machine import Machine


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, list[str]]]:
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
