"""What cgroups, v2 and v1, leave of a machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from boot.capacity import Capacity, measure


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/", {"cpu.max": "50000 100000", "memory.max": "536870912"}, Capacity(0.5, 536_870_912)),
        (
            "0::/system.slice/x.service",
            {"system.slice/cpu.max": "25000 100000", "system.slice/x.service/memory.max": "1000000"},
            Capacity(0.25, 1_000_000),
        ),
        (
            "4:memory:/docker/ab12\n3:cpu,cpuacct:/docker/ab12",
            {
                "cpu/cpu.cfs_quota_us": "75000",
                "cpu/cpu.cfs_period_us": "100000",
                "memory/memory.limit_in_bytes": "268435456",
            },
            Capacity(0.75, 268_435_456),
        ),
    ],
    ids=["a container, v2", "a unit, v2", "a container, v1"],
)
def test_limits_of_cgroups_are_read(
    tmp_path: Path, own: str, files: dict[str, str], expected: Capacity
) -> None:
    """Our own and those around it."""
    write(tmp_path, {"self/cgroup": own, **{f"fs/{name}": text for name, text in files.items()}})
    assert measure(tmp_path / "self", tmp_path / "fs") == expected


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"cpu.max": "max 100000", "memory.max": "max"},
        {"cpu/cpu.cfs_quota_us": "-1", "memory/memory.limit_in_bytes": "9223372036854771712"},
    ],
)
def test_without_limits_it_is_the_machine(tmp_path: Path, files: dict[str, str]) -> None:
    """v2 says max, v1 says -1 or a number beyond all memory; elsewhere there is nothing to read."""
    write(
        tmp_path,
        {"self/cgroup": "0::/\n4:memory:/\n3:cpu:/", **{f"fs/{name}": text for name, text in files.items()}},
    )
    found = measure(tmp_path / "self", tmp_path / "fs")
    assert found.cpus == len(os.sched_getaffinity(0))
    assert found.memory == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize(
    ("capacity", "web", "worker"),
    [
        (Capacity(2, 8_000_000_000), 5, 2),
        (Capacity(0.5, 8_000_000_000), 3, 1),
        (Capacity(16, 512_000_000), 4, 4),
        (Capacity(2, 10_000_000), 1, 1),
        (Capacity(400, 1 << 50), 128, 128),
    ],
)
def test_processes_fit(capacity: Capacity, web: int, worker: int) -> None:
    """By CPUs, by memory, one at least, and no more than the variables take."""
    assert (capacity.web_workers(), capacity.concurrency()) == (web, worker)
