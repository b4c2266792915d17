"""Tells a worker to change its pool: `python -m boot.pool PROGRAM CHANGE`, in the worker's environment."""

from __future__ import annotations

import sys
from typing import Final

from celery.utils.nodenames import gethostname

from boot import workers
from boot.celery import app

ANSWER_S: Final = 10.0  # seconds


def main(program: str, change: int) -> int:
    """Grow or shrink by so many processes; 0, or 1 and why on standard error."""
    node = f"{'celery' if program == workers.NAME else program}@{gethostname()}"
    tell = app.control.pool_grow if change > 0 else app.control.pool_shrink
    answers = (
        tell(abs(change), destination=[node], reply=True, timeout=ANSWER_S)
        if change
        else [{node: {"ok": ""}}]
    )
    if not answers:
        print(f"{program} does not answer remote control within {ANSWER_S:.0f} s", file=sys.stderr)
        return 1
    (answer,) = answers
    if "ok" not in answer[node]:
        print(f"{program} refuses: {answer[node].get('error', answer[node])}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
