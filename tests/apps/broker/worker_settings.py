"""For workers of tests: with tasks that tests send, and quick to believe that a process is dead."""

from boot.settings import *  # noqa: F403

CELERY_IMPORTS = ["tests.apps.broker.probes"]
CELERY_WORKER_LOST_WAIT = 0.1  # seconds; 10 otherwise
CELERY_TASK_TIME_LIMIT = CELERY_TASK_SOFT_TIME_LIMIT = None
