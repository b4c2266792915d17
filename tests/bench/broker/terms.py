"""What holds for every system alike: printed beside the figures."""

from __future__ import annotations

from typing import Final

OURS: Final = "ours"
PEER: Final = "rabbitmq"  # whose figures ours are a ratio of
QUEUE: Final = "bench"
CONCURRENCY: Final = 4  # processes of a worker
PREFETCH: Final = 4  # messages a process, Celery's default
# Of `celery worker`, as in supervisor/programs/celery-worker.conf; the rest is in the application.
FLAGS: Final = ("--without-gossip", "--loglevel", "WARNING")
GATE: Final = "gate"  # the file that ends the wait of held tasks
