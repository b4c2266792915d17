"""Folders that programs write into."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from boot.doctor import folders
from boot.doctor.finding import Finding, Level
from tests.boot.doctor.deployments import deployment


def _check(folder: Path, role: str = "all", **variables: str) -> list[Finding]:
    here = {
        "DOORITO_STATE_DIR": str(folder / "state"),
        "DOORITO_RUNTIME_DIR": str(folder / "run"),
        "TMPDIR": str(folder),
    }
    return list(folders.check(deployment(role, **here | variables)))


def test_folders_that_are_there_or_can_be_made_are_well(tmp_path: Path) -> None:
    """They are named in one line; nothing was made, and nothing is left behind."""
    (tmp_path / "state").mkdir()
    (finding,) = _check(tmp_path)
    assert finding.level is Level.OK
    assert f"{tmp_path}/state, {tmp_path}/state/media, {tmp_path}/run, {tmp_path}" in finding.message
    assert [path.name for path in tmp_path.rglob("*")] == ["state"]


def test_beat_writes_no_uploads(tmp_path: Path) -> None:
    """Its container may have no volume for them."""
    (finding,) = _check(tmp_path, "celery-beat", MEDIA_ROOT="/proc/media")
    assert finding.level is Level.OK


def test_a_folder_that_cannot_be_written_into_is_an_error() -> None:
    """The system's reason, the variable, and who must be let in; the others are judged all the same."""
    (finding, well) = _check(Path("/var/tmp"), MEDIA_ROOT="/proc/self")
    assert (finding.level, well.level) == (Level.ERROR, Level.OK)
    assert finding.message.startswith("MEDIA_ROOT: /proc/self cannot be written into (")
    assert f"let user {os.geteuid()} write there" in finding.mend


def test_a_file_in_the_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    """Also above it."""
    (tmp_path / "file").touch()
    finding, _ = _check(tmp_path, MEDIA_ROOT=str(tmp_path / "file" / "media"))
    assert finding.message == (
        f"MEDIA_ROOT: {tmp_path}/file/media is missing, and {tmp_path}/file cannot be written into "
        "(Not a directory)"
    )


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A folder that cannot be written into; root, who may write everywhere, mounts it read-only."""
    folder = tmp_path / "media"
    folder.mkdir(mode=0o500)
    if os.geteuid() != 0:
        yield folder
        return
    command = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this root may not mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_read_only_folder_is_an_error(closed: Path) -> None:
    """As a volume is that was made for root, or mounted `ro`."""
    finding, _ = _check(closed.parent, MEDIA_ROOT=str(closed))
    assert finding.level is Level.ERROR
    assert "(Read-only file system)" in finding.message or "(Permission denied)" in finding.message


def test_a_runtime_folder_that_is_open_to_others_is_an_error(tmp_path: Path) -> None:
    """A start would refuse it, in the same words."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o755)
    finding, _ = _check(tmp_path)
    assert finding.level is Level.ERROR
    assert "is open to others" in finding.message
    assert finding.mend == "`chmod 700` it, or set DOORITO_RUNTIME_DIR"


def test_a_temporary_folder_that_is_missing_is_an_error(tmp_path: Path) -> None:
    """Nobody makes that one."""
    finding, _ = _check(tmp_path, TMPDIR=str(tmp_path / "missing"))
    assert "TMPDIR" in finding.message


def test_a_folder_whose_variable_cannot_be_read_is_not_checked(tmp_path: Path) -> None:
    """The variable is an error already."""
    (skipped, well) = _check(tmp_path, MEDIA_ROOT="~nobody-of-that-name/media")
    assert (skipped.level, well.level) == (Level.SKIPPED, Level.OK)
    assert "MEDIA_ROOT could not be read" in skipped.message
