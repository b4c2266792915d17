"""What CONTRIBUTING.md says about making the project one's own holds."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from boot import env
from tests.system.copies import copy_tree
from tests.system.stack import ROOT

pytestmark = pytest.mark.system


def run(folder: Path, *command: str, **environ: str) -> str:
    """Run a command in the copy, without the tests' own environment; what it says."""
    clean: Mapping[str, str] = {
        name: value for name, value in os.environ.items() if name not in env.VARIABLES
    }
    done = subprocess.run(
        command, cwd=folder, env={**clean, **environ}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name: the copy's own tests put sockets below it."""
    with tempfile.TemporaryDirectory(prefix="doorito-own-") as name:
        yield Path(name)


def test_the_sample_feature_can_be_deleted_as_contributing_says(folder: Path) -> None:
    """Its block of commands leaves a project whose checks, migrations and unit tests pass."""
    commands = re.search(
        r"```sh\n(\s+rm -r apps/uploads.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL
    )
    assert commands
    # The environment is linked in and complete; `make` must not think that it is older than the files.
    without = commands[1].replace("make ", "make -o .venv/.all ")
    copy = copy_tree(folder / "own")
    run(copy, "sh", "-euc", without)

    search = r"grep -rIlE 'apps.uploads|\bUPLOAD_MAX|UPLOADS' boot apps templates pyproject.toml || true"
    left = run(copy, "sh", "-c", search)
    assert left == ""
    run(copy, "make", "-o", ".venv/.all", "check")
    run(copy, "./doorito", "run", "manage", "migrate", DATABASE_URL=f"sqlite:///{folder}/db.sqlite3")
    # These know nothing of the sample, and take their time.
    ignored = [f"--ignore=tests/{name}" for name in ("apps/broker", "boot/backup", "boot/supervision")]
    outcome = run(copy, ".venv/bin/python", "-m", "pytest", "-q", "tests/boot", "tests/apps", *ignored)
    assert re.search(r"\d+ passed", outcome)
    assert "failed" not in outcome
