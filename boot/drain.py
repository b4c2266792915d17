"""The mark of a stack that is about to stop: `<runtime>/draining`. Standard library only."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

NAME: Final = "draining"


def begin(runtime_dir: Path) -> None:
    """From now on the web server says that it is not ready, while it goes on to serve."""
    with contextlib.suppress(OSError):  # a full folder is no reason not to stop
        Path(runtime_dir, NAME).touch()


def end(runtime_dir: Path) -> None:
    """A new life begins."""
    Path(runtime_dir, NAME).unlink(missing_ok=True)
