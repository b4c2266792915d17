"""Doorito's settings, with an examination that some files kill, as one that fills the memory does."""

from boot.settings import *  # noqa: F403

CELERY_IMPORTS = ["tests.apps.uploads.deadly"]
CELERY_WORKER_LOST_WAIT = 1  # seconds before a dead process is believed to be dead; 10 otherwise
