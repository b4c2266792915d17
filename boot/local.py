"""The first run on a machine: `.env.local`, what `make` runs the project with."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from boot.places import BASE_DIR

FILE_NAME: Final = ".env.local"
TEMPLATE: Final = """\
# Written by the first `make run`; yours to edit. `doorito env` tells what each variable does.
# The process environment wins over this file: WEB_PORT=8001 make run
DJANGO_SECRET_KEY='{key}'
# Tasks go to the worker, as in production.
CELERY_TASK_ALWAYS_EAGER=false
# This machine only; the default is every address.
WEB_BIND=127.0.0.1
WEB_WORKERS=2
CELERY_CONCURRENCY=2
# A PostgreSQL of our own, beside the programs. With DATABASE_URL set it is not started.
DOORITO_EMBEDDED_POSTGRES=true
# The first administrator, created at the first start.
DJANGO_SUPERUSER_EMAIL=admin@example.com
DJANGO_SUPERUSER_PASSWORD='{password}'
"""


def content() -> str:
    """A file with a random key and a random password, different each time."""
    return TEMPLATE.format(key=secrets.token_urlsafe(50), password=secrets.token_urlsafe(12))


def write(folder: Path = BASE_DIR) -> bool:
    """Write the file for its owner's eyes alone (0600), whole or not at all; False where there is one."""
    draft = folder / f"{FILE_NAME}.{os.getpid()}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(content())
        os.link(draft, folder / FILE_NAME)  # unlike a rename, refuses to replace one
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True
