"""The memory limit against the number of processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from boot.cgroup import memory_limit
from boot.doctor import memory
from boot.doctor.finding import Level
from boot.doctor.sizes import GIB, MIB
from tests.boot.doctor.deployments import deployment

# What /proc/self/cgroup and files below /sys/fs/cgroup hold. In a container of version 1 the group has
# the host's name, and the mount begins at it.
VERSION_1 = "9:name=systemd:/docker/0174c4\n4:memory:/docker/0174c4\n2:cpuacct:/docker/0174c4\n0::/\n"
VERSION_2 = "0::/system.slice/doorito.service\n"
NO_LIMIT = "9223372036854771712\n"
MACHINE = "MemTotal:       24683520 kB\nMemFree:        24059000 kB\n"


def _machine(folder: Path, cgroup: str, groups: Mapping[str, str]) -> tuple[Path, Path]:
    """Folders with the content of /proc and of /sys/fs/cgroup."""
    content = {"proc/self/cgroup": cgroup, "proc/meminfo": MACHINE}
    for name, text in (content | {f"groups/{name}": text for name, text in groups.items()}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "proc", folder / "groups"


@pytest.mark.parametrize(
    ("cgroup", "groups", "expected"),
    [
        (VERSION_2, {"system.slice/doorito.service/memory.max": "536870912\n"}, 512 * MIB),
        (VERSION_2, {"system.slice/doorito.service/memory.max": "max\n"}, None),
        (
            VERSION_2,
            {
                "system.slice/doorito.service/memory.max": "2147483648\n",
                "system.slice/memory.max": "1073741824\n",
            },
            1 * GIB,
        ),
        ("0::/\n", {"memory.max": "536870912\n"}, 512 * MIB),
        ("0::/../other\n", {"memory.max": "max\n"}, None),
        (VERSION_1, {"memory/memory.limit_in_bytes": "536870912\n"}, 512 * MIB),
        (VERSION_1, {"memory/docker/0174c4/memory.limit_in_bytes": "536870912\n"}, 512 * MIB),
        (VERSION_1, {"memory/memory.limit_in_bytes": NO_LIMIT}, None),
        ("", {}, None),
    ],
)
def test_the_limit_is_the_smallest_of_the_group_and_those_above(
    tmp_path: Path, cgroup: str, groups: Mapping[str, str], expected: int | None
) -> None:
    """Both versions of control groups, on a host and in a container."""
    proc, mount = _machine(tmp_path, cgroup, groups)
    assert memory_limit(proc / "self", mount) == expected


@pytest.mark.parametrize(
    ("limit", "level"), [(1 * GIB, Level.OK), (800 * MIB, Level.WARNING), (256 * MIB, Level.ERROR)]
)
def test_the_processes_have_to_fit(tmp_path: Path, limit: int, level: Level) -> None:
    """Four fifths of the limit when all work, all of it at rest; it says what was counted."""
    group = {"system.slice/doorito.service/memory.max": f"{limit}\n"}
    finding = memory.check(deployment(), *_machine(tmp_path, VERSION_2, group))
    assert finding.level is level
    counted = "(4 of web, 4 of celery-worker, celery-beat)"
    assert finding.message.startswith(f"about 706 MiB when all work, 337 MiB at rest {counted}; ")
    assert (finding.mend == "") is (level is Level.OK)


def test_without_a_limit_the_machine_is_the_limit(tmp_path: Path) -> None:
    """And where that cannot be told either, the figure alone is said."""
    proc, groups = _machine(tmp_path, VERSION_1, {"memory/memory.limit_in_bytes": NO_LIMIT})
    finding = memory.check(deployment(), proc, groups)
    assert finding.level is Level.OK
    assert finding.message.endswith("no limit but the machine's 23.5 GiB")
    (proc / "meminfo").unlink()
    assert memory.check(deployment(), proc, groups).message.endswith("; no limit")


def test_the_group_of_what_runs_counts(tmp_path: Path) -> None:
    """A shell beside it is in another group, with another limit."""
    proc, groups = _machine(tmp_path, VERSION_2, {"shop.slice/memory.max": "1073741824\n"})
    (proc / "7").mkdir()
    (proc / "7" / "cgroup").write_text("0::/shop.slice\n")
    assert memory.check(replace(deployment(), pid=7), proc, groups).message.endswith("the limit is 1.0 GiB")


def test_a_role_needs_its_own_processes_only(tmp_path: Path) -> None:
    """Beat alone is small; a count that cannot be read matters where it counts."""
    proc, groups = _machine(tmp_path, VERSION_2, {})
    assert (
        "about 86 MiB when all work, 86 MiB at rest (celery-beat)"
        in memory.check(deployment("celery-beat"), proc, groups).message
    )
    wrong = deployment("web", WEB_WORKERS="many")
    assert memory.check(wrong, proc, groups).message == "not checked: WEB_WORKERS could not be read"
