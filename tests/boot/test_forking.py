"""Children share their parent's memory, and go on sharing it when they collect their garbage."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Final

from tests.system.stack import ROOT

SCRIPT: Final = """
import gc, os, sys
from boot import forking

memory = [[[]] for _ in range(200_000)]
if sys.argv[1] == "shared":
    forking.share_memory()
done, begin = os.pipe(), os.pipe()
if not os.fork():
    gc.collect()
    os.write(done[1], b"x")
    os.read(begin[0], 1)
    os._exit(0)
os.read(done[0], 1)
gc.collect()
fields = dict(line.split(":") for line in open("/proc/self/smaps_rollup").read().splitlines()[1:])
print(int(fields["Private_Dirty"].split()[0]) // 1024)
os.write(begin[1], b"x")
os.wait()
"""


def private_mb(mode: str) -> int:
    """What a parent of some 30 MB shares with nobody once it and its child have collected, in MB."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, mode],
        env={"PATH": os.defpath, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return int(done.stdout)


def test_a_collection_leaves_shared_memory_shared() -> None:
    """Without it the collector copies all of it."""
    assert private_mb("shared") < 5
    assert private_mb("not shared") > 20
