"""Copies of this project's tree: for tests that change files, or need a path of their own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.system.stack import ROOT


def copy_tree(target: Path, with_environment: bool = True) -> Path:
    """Copy what git tracks, and what it would, to `target`; with this environment linked in.

    A link is enough for `doorito`, which runs `.venv/bin/python`.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    if with_environment:
        (target / ".venv").symlink_to(ROOT / ".venv")
    return target
