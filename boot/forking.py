"""What a process does before it forks."""

from __future__ import annotations

import functools
import gc


@functools.cache
def share_memory() -> None:
    """Keep the garbage collector away from what exists now, here and in the processes to come.

    It writes into every object that it looks at, and what one side of a fork writes to, both have: a full
    collection on either side copies all of the parent's memory. Frozen objects it leaves alone
    (https://docs.python.org/3.12/library/gc.html#gc.freeze). Once, before the first fork: what is frozen is
    never collected again, so what comes and goes later must not be.
    """
    gc.collect()
    gc.freeze()
