"""The check of the variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from boot.doctor import variables
from boot.doctor.finding import Level
from tests.boot.doctor.deployments import deployment


def test_variables_that_can_be_read_are_well() -> None:
    """It says how many were given."""
    (finding,) = variables.check(deployment(WEB_PORT="8001"))
    assert (finding.level, finding.message) == (Level.OK, "3 are set, the others have their defaults")


def test_each_problem_is_an_error_with_the_command_that_tells_more() -> None:
    """All at once, and for a name that nobody knows the list of those there are."""
    found = list(variables.check(deployment(WEB_PORT="http", WEB_WORKERS="0", WEB_THREDS="4")))
    assert [finding.level for finding in found] == [Level.ERROR] * 3
    assert {finding.mend for finding in found} == {
        "`doorito env explain WEB_PORT` tells all about it",
        "`doorito env explain WEB_WORKERS` tells all about it",
        "`doorito env` lists all that there are",
    }


def test_each_warning_is_a_warning() -> None:
    """In the words of the registry."""
    (finding,) = variables.check(deployment(STOP_BUDGET_S="60"))
    assert finding.level is Level.WARNING
    assert finding.message.startswith("STOP_BUDGET_S: of 60 leaves a task ")


@pytest.mark.parametrize("mode", [0o644, 0o640])
def test_a_file_of_variables_that_others_can_read_is_a_warning(mode: int, tmp_path: Path) -> None:
    """With the command that closes it."""
    file = tmp_path / "environment"
    file.touch(mode)
    file.chmod(mode)
    *_, finding = variables.check(deployment(DOORITO_ENV_FILE=str(file)))
    assert (finding.level, finding.mend) == (Level.WARNING, f"`chmod 600 {file}`")
    file.chmod(0o600)
    assert all(
        finding.level is Level.OK for finding in variables.check(deployment(DOORITO_ENV_FILE=str(file)))
    )


@pytest.mark.parametrize(("mode", "mends"), [(0o640, []), (0o644, ["`chmod 640 /etc/doorito.env`"])])
def test_a_file_of_roots_may_be_read_by_the_group_of_the_service(mode: int, mends: list[str]) -> None:
    """As a file under /etc is: `chmod 600` would keep the service from reading it."""
    status = Path("/").stat()
    fields = list(status)
    fields[0], fields[4], fields[5] = mode, 0, 1001
    found = variables.readable(Path("/etc/doorito.env"), type(status)(fields))
    assert [finding.mend for finding in found] == mends


def test_a_file_that_is_not_there_is_one_error() -> None:
    """Not one that ends the report."""
    (finding,) = variables.check(deployment(DOORITO_ENV_FILE="/nowhere/environment"))
    assert finding.level is Level.ERROR
    assert "cannot be read" in finding.message
