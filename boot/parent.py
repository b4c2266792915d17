"""What happens to a program when supervisord is killed."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1  # prctl(2), Linux


def follow(number: signal.Signals) -> None:
    """Ask the kernel to send `number` to this process when its parent dies.

    supervisord, killed with SIGKILL, would leave its programs running with nobody to watch them: two
    beats after the next start. Cleared by fork and by setuid, kept by exec. Does nothing but on Linux.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl:
        prctl(PR_SET_PDEATHSIG, number)


if __name__ == "__main__":
    # python -m boot.parent COMMAND ...: for a foreign command, which does not ask for it itself
    follow(signal.SIGTERM)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - no shell
