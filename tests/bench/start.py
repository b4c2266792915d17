"""How long a second start takes, stage by stage, beside the bare imports that it cannot do without.

    make bench-start

Each round times one start and each bare import, in turn, so that a noisy machine slows both; medians
of all rounds are printed. Nothing is asserted: the machine decides the figures.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from typing import Final

from tests.system.stack import ROOT, Stack, wait_until

ROUNDS: Final = 5
# What a line holds when a stage has ended, in the order in which they usually do.
STAGES: Final = {
    "validated, database migrated, supervisord runs": "supervisord started with pid",
    "postgres takes connections": "ready to accept connections",
    "web takes requests": "Booting worker with pid",
    "beat runs": "beat: Starting...",
    "worker takes tasks": " ready.",
    "everything is ready": "| ready: ",
}
IMPORTS: Final = {
    "python, nothing imported": "pass",
    "the registry, read and checked": "from boot.env import load; load()",
    "supervisord and the plug-in": "import boot.supervision.main, boot.supervision.plugin",
    "Django, set up": "import boot.settings, django; django.setup()",
    "Django, its pages and gunicorn": "import django; django.setup(); import boot.urls, gunicorn.app.wsgiapp",
    "Celery's worker": "import django; django.setup(); import celery.bin.worker, celery.apps.worker",
}


def start(stack: Stack) -> dict[str, float]:
    """Seconds from the command to the end of each stage."""
    begun = time.monotonic()
    already = len(stack.log)
    stack.begin()
    ends: dict[str, float] = {}

    def look() -> bool:
        log = stack.log[already:]
        for stage, words in STAGES.items():
            if stage not in ends and words in log:
                ends[stage] = time.monotonic() - begun
        return len(ends) == len(STAGES)

    wait_until("all stages", look)
    return ends


def bare(code: str, environ: dict[str, str]) -> float:
    """Seconds that an interpreter takes to run `code`."""
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environ, check=True)
    return time.monotonic() - begun


def main() -> None:
    taken: defaultdict[str, list[float]] = defaultdict(list)
    environ = {**os.environ, "DJANGO_SETTINGS_MODULE": "boot.settings"}
    # As `make run` sets it up on the first run.
    with Stack(environ={"WEB_WORKERS": "2"}) as stack:
        print("the first start, which makes the database ...", flush=True)
        stack.start()
        stack.stop()
        for number in range(1, ROUNDS + 1):
            print(f"round {number} of {ROUNDS} ...", flush=True)
            for stage, seconds in start(stack).items():
                taken[stage].append(seconds)
            stack.stop()
            for name, code in IMPORTS.items():
                taken[name].append(bare(code, environ))
    for title, names in (("bare imports", IMPORTS), ("second start: seconds since the command", STAGES)):
        print(f"\n{title}")
        for name in names:
            low, middle, high = min(taken[name]), statistics.median(taken[name]), max(taken[name])
            print(f"  {name:<48} {middle:6.2f}   ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
