"""Free space."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from boot.doctor import space
from boot.doctor.finding import Level
from boot.doctor.sizes import GIB, MIB
from boot.doctor.space import Space
from tests.boot.doctor.deployments import deployment


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_small_file_system_is_an_error(small: Path) -> None:
    """A real one, for uploads that are not there yet, and for temporary files."""
    found = list(space.check(deployment(MEDIA_ROOT=str(small / "media"), TMPDIR=str(small))))
    assert [finding.level for finding in found] == [Level.ERROR, Level.ERROR]
    assert found[0].message == f"2 MiB are free at {small}/media, less than 100 MiB"
    assert "MEDIA_ROOT" in found[0].mend
    assert "TMPDIR" in found[1].mend


@pytest.mark.parametrize(
    ("free", "level"), [(2 * GIB, Level.OK), (500 * MIB, Level.WARNING), (50 * MIB, Level.ERROR)]
)
def test_bytes_are_judged_by_their_number(free: int, level: Level) -> None:
    """Below 1 GiB for uploads is a warning, below 100 MiB an error."""
    assert space.enough(Space(Path("/data"), free, 0, 0), "MEDIA_ROOT", space.MEDIA).level is level


@pytest.mark.parametrize(
    ("free", "level"), [(900, Level.OK), (40, Level.WARNING), (5, Level.ERROR), (0, Level.ERROR)]
)
def test_inodes_are_judged_by_their_share(free: int, level: Level) -> None:
    """Below 5 % is a warning, below 1 % an error."""
    finding = space.enough(Space(Path("/data"), 2 * GIB, 1000, free), "MEDIA_ROOT", space.MEDIA)
    assert finding.level is level
    assert ("inodes" in finding.message) is (level is not Level.OK)


def test_a_folder_whose_variable_cannot_be_read_is_not_checked() -> None:
    """The variable is an error already."""
    found, _ = space.check(deployment(MEDIA_ROOT="~nobody-of-that-name/media"))
    assert found.level is Level.SKIPPED
