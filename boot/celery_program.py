"""A worker or beat, without Celery's other commands.

    python -m boot.celery_program worker|beat OPTIONS

What `celery --quiet -A boot worker|beat OPTIONS` runs, which stays as good by hand. But that one loads every
command before it runs one, and with `celery amqp` a toolkit for terminals: see docs/decisions/0022.
"""

from __future__ import annotations

import importlib
import sys
from typing import Final

from celery import maybe_patch_concurrency

PROGRAMS: Final = ("worker", "beat")
EX_USAGE: Final = 64  # sysexits.h


def main(name: str, arguments: list[str]) -> None:
    """Run the program to its end, which is a SystemExit with its status; 2 for an option that it has not."""
    maybe_patch_concurrency(arguments)  # gevent replaces what other modules import, so it comes first
    sys.argv = ["-m", "boot.celery_program", name, *arguments]  # what a worker starts in its place on SIGHUP
    from celery.bin.base import CLIContext

    from boot.celery import app

    command = getattr(importlib.import_module(f"celery.bin.{name}"), name)
    context = CLIContext(app, no_color=False, workdir=None, quiet=True)
    prefix = f"CELERY_{name.upper()}"  # of an option's variable, as Celery has it
    command.main(arguments, prog_name=f"celery {name}", auto_envvar_prefix=prefix, obj=context)


if __name__ == "__main__":
    if sys.argv[1:2] == [] or sys.argv[1] not in PROGRAMS:
        print(f"usage: python -m boot.celery_program {'|'.join(PROGRAMS)} OPTIONS", file=sys.stderr)
        sys.exit(EX_USAGE)
    main(sys.argv[1], sys.argv[2:])
