"""What holds between variables: pure functions from values to problems and warnings.

They get the values that could be read, so a rule about a variable that could not is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from boot import places

INSECURE_DEV_KEY: Final = "django-insecure-for-development-only-0123456789-never-in-production"
# The thresholds of Django's check security.W009.
KEY_CHARACTERS: Final = 50
KEY_DIFFERENT_CHARACTERS: Final = 5
GLOBBED: Final = re.compile(r"[\s*?\[]")  # what supervisord's [include] takes for more than a name
LEAST_STOP_S: Final = 5  # seconds that the web server has to finish what it has
YEAR_S: Final = 31_536_000  # seconds
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})

Typed = Mapping[str, Any]
Finding = tuple[str, str]  # name of the variable, what is wrong and what mends it


def problems(typed: Typed) -> Iterator[Finding]:
    """What must be mended before anything starts."""
    if typed.get("DJANGO_CONFIGURATION") == "Production":
        yield from _production(typed)
    yield from _database(typed)
    yield from _celery(typed)
    yield from _superuser(typed)
    yield from _drain(typed)
    runtime_dir = typed.get("DOORITO_RUNTIME_DIR")
    if runtime_dir and not places.fits_socket(runtime_dir):
        yield "DOORITO_RUNTIME_DIR", "is too long a path for a socket (107 bytes); set a shorter one"
    if runtime_dir and len(typed.get("CELERY_WORKERS", ())) > 1 and GLOBBED.search(str(runtime_dir)):
        yield "DOORITO_RUNTIME_DIR", "holds a space or one of *?[; several CELERY_WORKERS take a plain path"


def warnings(typed: Typed) -> Iterator[Finding]:
    """What works, but not as somebody may expect; for values without problems."""
    public_url = typed["PUBLIC_URL"]
    if typed["DJANGO_CONFIGURATION"] == "Production" and not public_url.startswith("https://"):
        yield (
            "PUBLIC_URL",
            f"is {public_url}, not https: cookies are not secure and only loopback hosts are served",
        )
    if typed["DJANGO_CONFIGURATION"] == "Production":
        yield from _odd_in_production(typed)
    longest, budget = typed["CELERY_TASK_TIME_LIMIT_S"], typed["STOP_BUDGET_S"]
    share = stop_seconds(budget)["celery-worker"]
    if share < longest:
        enough = f"CELERY_TASK_TIME_LIMIT_S ({longest}); {sufficient_budget(longest)} would do"
        yield "STOP_BUDGET_S", f"of {budget} leaves a task {share} seconds at a stop, less than {enough}"


def _odd_in_production(typed: Typed) -> Iterator[Finding]:
    if "*" in typed["DJANGO_ALLOWED_HOSTS"]:
        yield "DJANGO_ALLOWED_HOSTS", "holds *: any Host header is believed; name the hosts"
    if typed["PUBLIC_URL"].startswith("https://") and not typed["PROXY_COUNT"]:
        # gunicorn speaks plain HTTP, so no request looks secure: each is redirected, for ever
        yield "PROXY_COUNT", "is 0, but https needs a proxy in front; set how many there are"
    if typed["CELERY_TASK_ALWAYS_EAGER"]:
        yield "CELERY_TASK_ALWAYS_EAGER", "is on: tasks run inside requests, and the worker gets none"
    if typed["EMAIL_URL"].startswith(("console:", "dummy:")):
        yield "EMAIL_URL", "sends no mail to anybody: password resets will not arrive"


def stop_seconds(budget: int, drain: int = 0) -> dict[str, int]:
    """How many seconds each program may take to stop, so that all of them stay within `budget`.

    They stop side by side; only the embedded database, which they need, waits for the others' end. The web
    server is told `drain` seconds after the rest. Two seconds are left for supervisord itself.
    """
    postgres = max(2, budget // 20)
    others = budget - postgres - 2
    return {"celery-beat": others, "postgres": postgres, "web": others - drain, "celery-worker": others}


def sufficient_budget(task_seconds: int) -> int:
    """A budget whose worker's share is at least `task_seconds`."""
    return max(20, task_seconds * 20 // 19 + 5)


def _production(typed: Typed) -> Iterator[Finding]:
    key = typed.get("DJANGO_SECRET_KEY") or ""
    if key.startswith("django-insecure-"):
        yield "DJANGO_SECRET_KEY", "is a known key; set one of your own, such as `doorito secret` prints"
    elif key and (len(key) < KEY_CHARACTERS or len(set(key)) < KEY_DIFFERENT_CHARACTERS):
        yield (
            "DJANGO_SECRET_KEY",
            "is weak; set 50 or more random characters, such as `doorito secret` prints",
        )
    if typed.get("DJANGO_DEBUG"):
        yield "DJANGO_DEBUG", "is on in Production; unset it or set false"
    if (typed.get("DATABASE_URL") or "").startswith("sqlite"):
        yield "DATABASE_URL", "is SQLite in Production; set postgresql://USER:PASSWORD@HOST:5432/NAME"
    if typed.get("DOORITO_EMBEDDED_POSTGRES"):
        yield "DOORITO_EMBEDDED_POSTGRES", "is for development; set DATABASE_URL instead"
    yield from _hosts(typed.get("DJANGO_ALLOWED_HOSTS"), typed.get("PUBLIC_URL"))
    yield from _preload(typed)


def _preload(typed: Typed) -> Iterator[Finding]:
    """What https://hstspreload.org asks of a site that asks to be preloaded."""
    if typed.get("HSTS_PRELOAD"):
        if typed.get("HSTS_INCLUDE_SUBDOMAINS") is False:
            yield "HSTS_PRELOAD", "needs HSTS_INCLUDE_SUBDOMAINS=true as well"
        if typed.get("HSTS_SECONDS", YEAR_S) < YEAR_S:
            yield "HSTS_PRELOAD", f"needs HSTS_SECONDS={YEAR_S} or more"


def _hosts(allowed: list[str] | None, public_url: str | None) -> Iterator[Finding]:
    if not allowed or not public_url:
        return
    others = [host for host in allowed if host not in LOOPBACK]
    if others and not public_url.startswith("https://"):
        yield "PUBLIC_URL", f"must be an https:// URL to serve {others[0]} in Production"
        return  # which host it will name is not known yet
    name = urlsplit(public_url).hostname or ""
    host = f"[{name}]" if ":" in name else name
    if not any(_matches(pattern, host) for pattern in allowed):
        yield "DJANGO_ALLOWED_HOSTS", f"does not name {host}, the host of PUBLIC_URL; add it"


def _matches(pattern: str, host: str) -> bool:
    """As Django matches ALLOWED_HOSTS: a leading dot stands for the domain and all below it."""
    return pattern in ("*", host) or (pattern.startswith(".") and f".{host}".endswith(pattern))


def _names_none(url: str) -> bool:
    """Whether a PostgreSQL URL names no database, nor a service that would."""
    parts = urlsplit(url)
    is_postgresql = parts.scheme.removeprefix("sqla+").partition("+")[0] in ("postgresql", "postgres")
    options = parse_qs(parts.query)
    return is_postgresql and not (parts.path.strip("/") or "service" in options or "dbname" in options)


def _database(typed: Typed) -> Iterator[Finding]:
    parts = urlsplit(typed.get("DATABASE_URL") or "")
    if _names_none(typed.get("DATABASE_URL") or ""):
        yield "DATABASE_URL", "names no database; set postgresql://USER:PASSWORD@HOST:5432/NAME"
    elif _names_none(typed.get("CELERY_BROKER_URL") or ""):
        yield "CELERY_BROKER_URL", "names no database; set sqla+postgresql://USER:PASSWORD@HOST:5432/NAME"
    if (parts.password or "password" in parse_qs(parts.query)) and typed.get("DATABASE_PASSWORD"):
        yield "DATABASE_PASSWORD", "is set, and DATABASE_URL has a password too; leave it out of one of them"


def _celery(typed: Typed) -> Iterator[Finding]:
    soft, hard = typed.get("CELERY_TASK_SOFT_TIME_LIMIT_S"), typed.get("CELERY_TASK_TIME_LIMIT_S")
    if soft and hard and soft >= hard:
        yield (
            "CELERY_TASK_SOFT_TIME_LIMIT_S",
            f"{soft} is not below CELERY_TASK_TIME_LIMIT_S ({hard}); lower it",
        )


def _drain(typed: Typed) -> Iterator[Finding]:
    budget, drain = typed.get("STOP_BUDGET_S"), typed.get("WEB_DRAIN_S")
    if budget and drain and stop_seconds(budget, drain)["web"] < LEAST_STOP_S:
        most = stop_seconds(budget)["web"] - LEAST_STOP_S
        yield "WEB_DRAIN_S", f"{drain} leaves the web server no time to stop; STOP_BUDGET_S allows {most}"


def _superuser(typed: Typed) -> Iterator[Finding]:
    pair = ("DJANGO_SUPERUSER_EMAIL", "DJANGO_SUPERUSER_PASSWORD")
    if not typed.keys() >= set(pair):
        return
    for missing, present in (pair, pair[::-1]):
        if typed[present] and not typed[missing]:
            yield missing, f"is not set, but {present} is; set both or neither"
