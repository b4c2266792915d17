"""What holds for every system alike: printed beside the figures."""

from __future__ import annotations

from typing import Final

OURS: Final = "ours"
PEER: Final = "rabbitmq"  # whose figures ours are a ratio of
QUEUE: Final = "bench"
CONCURRENCY: Final = 4  # processes of a worker
PREFETCH: Final = 4  # messages a process, Celery's default
FLAGS: Final = ("--loglevel", "WARNING")  # of `celery worker`; the rest is in the application
GATE: Final = "gate"  # the file that ends the wait of held tasks
