"""What holds between variables: pure functions from values to problems and warnings.

They get the values that could be read, so a rule about a variable that could not is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from boot import places

INSECURE_DEV_KEY: Final = "django-insecure-for-development-only-0123456789-never-in-production"
# The thresholds of Django's check security.W009.
KEY_CHARACTERS: Final = 50
KEY_DIFFERENT_CHARACTERS: Final = 5
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})

Typed = Mapping[str, Any]
Finding = tuple[str, str]  # name of the variable, what is wrong and what mends it


def problems(typed: Typed) -> Iterator[Finding]:
    """What must be mended before anything starts."""
    if typed.get("DJANGO_CONFIGURATION") == "Production":
        yield from _production(typed)
    yield from _celery(typed)
    yield from _superuser(typed)
    runtime_dir = typed.get("DOORITO_RUNTIME_DIR")
    if runtime_dir and not places.fits_socket(runtime_dir):
        yield "DOORITO_RUNTIME_DIR", "is too long a path for a socket (107 bytes); set a shorter one"


def warnings(typed: Typed) -> Iterator[Finding]:
    """What works, but not as somebody may expect."""
    public_url = typed.get("PUBLIC_URL", "")
    if typed.get("DJANGO_CONFIGURATION") == "Production" and not public_url.startswith("https://"):
        yield "PUBLIC_URL", f"is {public_url}, not https: cookies are not secure and only loopback hosts are served"
    longest, budget = typed["CELERY_TASK_TIME_LIMIT_S"], typed["STOP_BUDGET_S"]
    if stop_seconds(budget)["celery-worker"] < longest:
        yield (
            "STOP_BUDGET_S",
            f"of {budget} leaves a running task {stop_seconds(budget)['celery-worker']} seconds at a stop, less "
            f"than CELERY_TASK_TIME_LIMIT_S ({longest}); {longest * 2} would do",
        )


def stop_seconds(budget: int) -> dict[str, int]:
    """How many seconds each program may take to stop; together they stay within `budget`.

    supervisord stops programs one after another, so their times add up. The worker, whose tasks are
    what takes long, has at least half.
    """
    beat = postgres = max(2, budget // 20)
    web = budget // 4
    return {"celery-beat": beat, "postgres": postgres, "web": web, "celery-worker": budget - beat - postgres - web - 2}


def _production(typed: Typed) -> Iterator[Finding]:
    key = typed.get("DJANGO_SECRET_KEY") or ""
    if key and (key == INSECURE_DEV_KEY or key.startswith("django-insecure-")):
        yield "DJANGO_SECRET_KEY", "is a known key; set one of your own, such as `doorito secret` prints"
    elif key and (len(key) < KEY_CHARACTERS or len(set(key)) < KEY_DIFFERENT_CHARACTERS):
        yield "DJANGO_SECRET_KEY", "is weak; set 50 or more random characters, such as `doorito secret` prints"
    if typed.get("DJANGO_DEBUG"):
        yield "DJANGO_DEBUG", "is on in Production; unset it or set false"
    if (typed.get("DATABASE_URL") or "").startswith("sqlite"):
        yield "DATABASE_URL", "is SQLite in Production; set postgresql://USER:PASSWORD@HOST:5432/NAME"
    yield from _hosts(typed.get("DJANGO_ALLOWED_HOSTS"), typed.get("PUBLIC_URL"))


def _hosts(allowed: list[str] | None, public_url: str | None) -> Iterator[Finding]:
    if not allowed or not public_url:
        return
    if not public_url.startswith("https://") and (others := [host for host in allowed if host not in LOOPBACK]):
        yield "PUBLIC_URL", f"must be an https:// URL to serve {others[0]} in Production"
    host = urlsplit(public_url).hostname or ""
    if not any(pattern in ("*", host) or (pattern[0] == "." and f".{host}".endswith(pattern)) for pattern in allowed):
        yield "DJANGO_ALLOWED_HOSTS", f"does not name {host}, the host of PUBLIC_URL; add it"


def _celery(typed: Typed) -> Iterator[Finding]:
    soft, hard = typed.get("CELERY_TASK_SOFT_TIME_LIMIT_S"), typed.get("CELERY_TASK_TIME_LIMIT_S")
    if soft and hard and soft >= hard:
        yield (
            "CELERY_TASK_SOFT_TIME_LIMIT_S",
            f"of {soft} is not below CELERY_TASK_TIME_LIMIT_S ({hard}), so tasks would never be told",
        )


def _superuser(typed: Typed) -> Iterator[Finding]:
    email, password = typed.get("DJANGO_SUPERUSER_EMAIL"), typed.get("DJANGO_SUPERUSER_PASSWORD")
    if email and not password and "DJANGO_SUPERUSER_PASSWORD" in typed:
        yield "DJANGO_SUPERUSER_PASSWORD", "is not set, but DJANGO_SUPERUSER_EMAIL is; set both or neither"
    if password and not email and "DJANGO_SUPERUSER_EMAIL" in typed:
        yield "DJANGO_SUPERUSER_EMAIL", "is not set, but DJANGO_SUPERUSER_PASSWORD is; set both or neither"
