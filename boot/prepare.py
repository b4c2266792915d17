"""What a start does before any program runs, in a process of its own that imports Django.

    python -m boot.prepare [--migrate]

Waits for the database, then applies the migrations, or waits until somebody else has, and creates
the first administrator. Exit status 0, 69 (the database or the migrations stay away) or 78.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from boot.refusals import understand

EX_UNAVAILABLE: Final = 69  # sysexits.h: a service stays away
EX_CONFIG: Final = 78
RETRY_S: Final = 0.5  # seconds between two tries
REPORT_S: Final = 5.0  # seconds between two lines while waiting
MIGRATION_LOCK: Final = 0x646F6F72  # "door"; any number will do that nothing else here locks


class GiveUp(Exception):
    """Preparation cannot go on; `status` is the exit status."""

    def __init__(self, message: str, status: int = EX_UNAVAILABLE) -> None:
        super().__init__(message)
        self.status = status


def wait(what: str, limit_s: float, missing: Callable[[], str | None]) -> None:
    """Ask `missing` until it returns None; say what it says when waiting starts and now and then.

    Raises GiveUp after `limit_s` seconds.
    """
    start = time.monotonic()
    next_report = 0.0
    while reason := missing():
        waited = time.monotonic() - start
        if waited >= limit_s:
            raise GiveUp(f"gave up waiting for {what} after {limit_s:g} s: {reason}")
        if waited >= next_report:
            print(f"waiting for {what} ({waited:.0f} of {limit_s:g} s): {reason}", flush=True)
            next_report += REPORT_S
        time.sleep(RETRY_S)


def database_reason() -> str | None:
    """Why the database cannot be used, on one line; None when it can. Raises GiveUp where it refuses us."""
    from django.db import DatabaseError, connection

    try:
        connection.close()
        connection.ensure_connection()
    except DatabaseError as error:
        reason = " ".join(str(error).split())
        refusal = understand(reason)
        if refusal.is_final:
            raise GiveUp(f"the database refuses us: {reason}; {refusal.mend}", EX_CONFIG) from error
        return reason
    return None


def migrations_reason() -> str | None:
    """Which migrations are missing; None when all are applied."""
    from django.db import DatabaseError

    from apps.ops.health import pending_migrations

    try:
        pending = pending_migrations()
    except DatabaseError as error:
        return " ".join(str(error).split())
    if not pending:
        return None
    return f"{len(pending)} are not applied, the first is {pending[0]} (RUN_MIGRATIONS=true applies them)"


@contextlib.contextmanager
def migration_lock(limit_s: float) -> Iterator[None]:
    """Held by one start at a time, on PostgreSQL; the others wait. Raises GiveUp."""
    from django.db import OperationalError, connection

    if connection.vendor != "postgresql":
        yield  # SQLite has one writer at a time anyway
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{limit_s * 1000:.0f}ms"])
        try:
            cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        except OperationalError as error:
            raise GiveUp(f"another start has been migrating for {limit_s:g} s") from error
        cursor.execute("SET lock_timeout = 0")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


def migrate(limit_s: float) -> None:
    """Apply what is not applied."""
    from django.core.management import call_command

    with migration_lock(limit_s):
        if migrations_reason():
            call_command("migrate", interactive=False)


def create_superuser(email: str, password: str) -> None:
    """Create the first administrator, unless the account exists. Raises GiveUp."""
    from django.contrib.auth import get_user_model
    from django.core.exceptions import ValidationError
    from django.core.validators import EmailValidator
    from django.db import IntegrityError, transaction

    model = get_user_model()
    if model._default_manager.filter(**{f"{model.USERNAME_FIELD}__iexact": email}).exists():
        return  # spares most starts the hash of a password
    try:
        EmailValidator()(email)
    except ValidationError as error:
        raise GiveUp(f"DJANGO_SUPERUSER_EMAIL: {error.messages[0]}", EX_CONFIG) from error
    try:
        with transaction.atomic():
            model._default_manager.create_superuser(**{model.USERNAME_FIELD: email, "password": password})
    except IntegrityError:
        return  # another role's start has just made it
    print(f"created the administrator {email}")


def check(deploy: bool) -> None:
    """Django's own checks; what they warn of is said, what is an error ends the start. Raises GiveUp."""
    from django.core.management import CommandError, call_command

    try:
        call_command("check", deploy=deploy)
    except CommandError as error:
        raise GiveUp(str(error), EX_CONFIG) from error


def check_static_files() -> None:
    """Pages without debug name static files by their hashes, which collectstatic wrote. Raises GiveUp."""
    from django.conf import settings

    manifest = settings.STATIC_ROOT / "staticfiles.json"
    if not settings.DEBUG and not os.access(manifest, os.R_OK):
        mend = "run `doorito run manage collectstatic --noinput` first"
        raise GiveUp(f"{manifest} is missing, or not for user {os.getuid()} to read; {mend}", EX_CONFIG)


def check_uploads(folder: Path) -> None:
    """The web server stores uploads, and the worker their thumbnails. Raises GiveUp."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        message = f"MEDIA_ROOT: {folder} cannot be written ({error.strerror}); mount a folder there that "
        raise GiveUp(f"{message}user {os.getuid()} may write, or set another", EX_CONFIG) from error


def main(with_migrations: bool) -> int:
    """Prepare; returns the exit status, and has said why."""
    from boot.env import load_or_exit

    env = load_or_exit()
    import django

    django.setup()
    try:
        if env["DJANGO_CONFIGURATION"] == "Production":
            # Without HTTPS each deployment check would say again what the warning of PUBLIC_URL has said.
            check(deploy=env["PUBLIC_URL"].startswith("https://"))
        if env["DOORITO_ROLE"] in ("all", "web"):
            check_static_files()
        if env["DOORITO_ROLE"] != "celery-beat":
            check_uploads(env["MEDIA_ROOT"])
        wait("the database", env["DATABASE_WAIT_S"], database_reason)
        if with_migrations:
            migrate(env["MIGRATIONS_WAIT_S"])
        else:
            wait("the migrations", env["MIGRATIONS_WAIT_S"], migrations_reason)
        if env["DJANGO_SUPERUSER_EMAIL"]:
            create_superuser(env["DJANGO_SUPERUSER_EMAIL"], env["DJANGO_SUPERUSER_PASSWORD"])
    except GiveUp as error:
        print(error, file=sys.stderr)
        return error.status
    return 0


if __name__ == "__main__":
    # Errors and progress in the order in which they were written.
    os.dup2(1, 2)
    sys.exit(main("--migrate" in sys.argv[1:]))
