"""Imported by a worker, and by nobody else: makes files that begin with certain words kill it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import IO

from django.conf import settings

from apps.uploads import examination

_examine = examination.examine


def _examine_or_die(file: IO[bytes]) -> examination.Facts:
    word = file.read(8)
    if word == b"kill me!":
        os.kill(os.getpid(), signal.SIGKILL)
    been_here = Path(settings.MEDIA_ROOT, "been-here")
    if word == b"kill all" and not been_here.exists():
        been_here.touch()
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)  # seconds; the end comes sooner
    file.seek(0)
    return _examine(file)


examination.examine = _examine_or_die
