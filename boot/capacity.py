"""How many processes this machine, or this container of it, has room for."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Final, NamedTuple

from boot import cgroup

OWN: Final = Path("/proc/self")
# What one more process costs once it has worked, in bytes: 15 to 30 MB as measured in a container of role
# all, and as much again for what a project adds. Half of the memory is for each kind of processes.
PROCESS_BYTES: Final = 60_000_000
MOST: Final = 128  # processes: what the variables accept


class Capacity(NamedTuple):
    """What may be used."""

    cpus: float
    memory: int  # bytes

    def web_workers(self) -> int:
        """gunicorn's own advice, (2 x cores) + 1 (https://gunicorn.org/design/), as far as memory goes."""
        return self._fitting(2 * math.ceil(self.cpus) + 1)

    def concurrency(self) -> int:
        """One process a core, Celery's own default, as far as memory goes."""
        return self._fitting(math.ceil(self.cpus))

    def _fitting(self, wanted: int) -> int:
        return max(1, min(wanted, self.memory // (2 * PROCESS_BYTES), MOST))


def measure(process: Path = OWN, groups: Path = cgroup.GROUPS) -> Capacity:
    """The least of what the control groups, the CPU affinity and the machine allow."""
    cpus = float(len(os.sched_getaffinity(0)))
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    cpu_limit, memory_limit = cgroup.cpu_limit(process, groups), cgroup.memory_limit(process, groups)
    return Capacity(min(cpus, cpu_limit or cpus), min(machine, memory_limit or machine))
