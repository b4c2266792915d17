"""What a start does before any program runs, in a process of its own that imports Django.

    python -m boot.prepare [--migrate]

Waits for the database, and for the broker's where it has one of its own, then applies the migrations, or
waits until somebody else has, and creates the first administrator. Exit status 0, 69 (a database or the
migrations stay away) or 78.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from boot.tables import VARIABLES, migrate, migrations_reason, refuse_pooler, require_broker
from boot.waiting import EX_CONFIG, GiveUp, wait, wait_for_databases

if TYPE_CHECKING:
    from boot.env import Environment

CONSUMERS = ("all", "celery-worker")


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


def broker_database(env: Environment) -> str | None:
    """Django's name of the broker's database; None where this role uses no broker that has tables."""
    from django.conf import settings

    is_used = env["DOORITO_ROLE"] in CONSUMERS or not env["CELERY_TASK_ALWAYS_EAGER"]
    alias: str | None = settings.BROKER_DATABASE
    return alias if is_used else None


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
        broker = broker_database(env)
        aliases = ["default", *([broker] if broker else [])]
        wait_for_databases({alias: VARIABLES[alias] for alias in aliases}, env["DATABASE_WAIT_S"])
        if broker:
            refuse_pooler(broker, consumes=env["DOORITO_ROLE"] in CONSUMERS)
        if with_migrations:
            migrate(env["MIGRATIONS_WAIT_S"])
        else:
            wait("the migrations", env["MIGRATIONS_WAIT_S"], migrations_reason)
        if broker:
            require_broker(broker)
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
