"""The registry: every environment variable of Doorito, declared once, and the one that reads them.

A new variable is one entry of `GROUPS`; then `doorito env write` brings `.env.example` and
`docs/environment.md` up to date. Needs no Django, so that it works when everything else is broken.

What was decided, each point tested: an empty value counts as unset (Compose passes unset variables
on as empty ones); nothing is interpolated; the process environment wins over the file that
DOORITO_ENV_FILE names; a secret may come as NAME_FILE, the path of a file with its value, less one
final newline; of NAME and NAME_FILE only one may be set; a name close to one of ours is a mistake;
no message quotes a secret, nor a path that may be one set by mistake.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import quote, urlsplit

from boot import places, reading, rules, values
from boot.capacity import Capacity
from boot.reading import Environment, InvalidEnvironment
from boot.variable import Raw, Variable

__all__ = [
    "EX_CONFIG", "GROUPS", "QUEUES", "REGISTRY", "VARIABLES",
    "Environment", "InvalidEnvironment", "Raw", "Variable", "examine", "load", "load_or_exit", "program",
]  # fmt: skip

EX_CONFIG: Final = 78  # sysexits.h: something was found in an unconfigured or misconfigured state
QUEUES: Final = ("high", "default")

WEB: Final = ("web", "dev")
WORKER: Final = ("celery-worker",)
BEAT: Final = ("celery-beat",)
START: Final = ("start-up",)  # `doorito run` itself, before any program
EVERY: Final = (*WEB, *WORKER, *BEAT)


def _public_url(given: Raw) -> str:
    return f"http://localhost:{given['WEB_PORT']}"


def with_password(url: str, password: str | None) -> str:
    """A PostgreSQL URL with `password`, percent-encoded, where it has none; any other as it is."""
    try:
        parts, encoded = urlsplit(url), quote(password or "", safe="")
    except ValueError:  # not readable, or not UTF-8: the reader says so
        return url
    if not encoded or parts.scheme not in ("postgresql", "postgres") or parts.password:
        return url
    user, _, host = parts.netloc.rpartition("@")
    return url.replace(f"://{parts.netloc}", f"://{user.rstrip(':')}:{encoded}@{host}", 1)


def _database_url(given: Raw) -> str:
    if given["DOORITO_EMBEDDED_POSTGRES"].lower() not in ("true", "1"):
        return "sqlite:///db.sqlite3"
    folder = places.postgres_socket_dir(given["DOORITO_STATE_DIR"], given["DOORITO_RUNTIME_DIR"])
    return f"postgresql://doorito@:5432/doorito?host={quote(str(folder), safe='')}"


def _broker_url(given: Raw) -> str:
    url = with_password(given.get("DATABASE_URL", ""), given.get("DATABASE_PASSWORD"))
    scheme, _, rest = url.partition("://")
    if scheme in ("postgresql", "postgres"):
        return f"sqla+postgresql://{rest}"
    return "sqla+postgresql://doorito:doorito@localhost:5432/doorito"


def _state_dir(given: Raw) -> str:
    return str(places.BASE_DIR / ".state")


def _media_root(given: Raw) -> str:
    return str(Path(given["DOORITO_STATE_DIR"]) / "media")


def _runtime_dir(given: Raw) -> str:
    return places.default_runtime_dir()


# fmt: off
GROUPS: Final = {
    "Django": (
        Variable("DJANGO_SETTINGS_MODULE", values.DOTTED_NAME, EVERY,
                 "The settings module.", "boot.settings"),
        Variable("DJANGO_CONFIGURATION", values.one_of("Dev", "Production"), EVERY,
                 "Which defaults hold. Production refuses to start with what is unsafe there.", "Dev"),
        Variable("DJANGO_SECRET_KEY", values.TEXT._replace(accepted="50 or more random characters"), EVERY,
                 "Signs sessions and tokens. `doorito secret` prints one.",
                 rules.INSECURE_DEV_KEY, required=True, secret=True, default_text="an insecure one"),
        Variable("DJANGO_DEBUG", values.BOOLEAN, EVERY,
                 "Debug pages and no static manifest. Refused in Production.", "true", "false"),
        Variable("DJANGO_ALLOWED_HOSTS", values.HOSTS, WEB,
                 "The host names that the site answers to.", "localhost,127.0.0.1", required=True),
        Variable("TIME_ZONE", values.TIME_ZONE, EVERY,
                 "The time zone of pages and schedules. The database keeps UTC.", "UTC"),
    ),
    "Web": (
        Variable("WEB_BIND", values.BIND, WEB,
                 "What the web server listens on: an address, or unix:/PATH for a Unix socket, whose "
                 "folder decides who may connect.", "0.0.0.0"),  # noqa: S104 - as specified
        Variable("WEB_PORT", values.whole(1, 65535), WEB,
                 "The port that it listens on, where WEB_BIND is an address.", "8000"),
        Variable("WEB_BACKLOG", values.whole(1, 65535, "connections"), WEB,
                 "How many connections may wait while the web server restarts or is busy; the kernel's "
                 "net.core.somaxconn is the most.", "2048"),
        Variable("WEB_DRAIN_S", values.whole(0, 3600, "seconds"), WEB,
                 "How long the web server goes on to serve after a stop has begun and /readyz says so: until "
                 "whoever balances the load has noticed.", "0"),
        Variable("WEB_WORKERS", values.whole_or_auto(1, 128, "processes", Capacity.web_workers), WEB,
                 "gunicorn's worker processes. auto: two for each CPU and one more, as far as memory goes,"
                 " by the container's limits.", "4"),
        Variable("WEB_MAX_REQUESTS", values.whole(0, 10_000_000, "requests"), WEB,
                 "A worker process ends after so many requests, give or take a tenth, and another takes its "
                 "place: against memory that grows. 0: never.", "0"),
        Variable("WEB_THREADS", values.whole(1, 128, "threads"), WEB,
                 "Threads in each of them: a slow upload occupies one, not the process.", "4"),
        Variable("PUBLIC_URL", values.ORIGIN, WEB,
                 "The address that people type. An https one turns on secure cookies, the redirect to "
                 "HTTPS and HSTS. Production without one serves loopback hosts only.",
                 _public_url, default_text="http://localhost:WEB_PORT"),
        Variable("PROXY_COUNT", values.whole(0, 8, "proxies"), WEB,
                 "How many reverse proxies of yours stand in front. With 0, X-Forwarded-* headers are "
                 "ignored; with n, the n-th address from the right of X-Forwarded-For is the client's, and "
                 "X-Forwarded-Proto says whether it came by HTTPS.", "0"),
        Variable("HSTS_SECONDS", values.whole(1, 63_072_000, "seconds"), WEB,
                 "How long browsers are told to use HTTPS only. Raise it to 31536000 once all works.",
                 "3600"),
        Variable("HSTS_INCLUDE_SUBDOMAINS", values.BOOLEAN, WEB, "HSTS for all subdomains as well.", "false"),
        Variable("HSTS_PRELOAD", values.BOOLEAN, WEB,
                 "Ask browsers to build HSTS for this domain in. Hard to undo.", "false"),
    ),
    "Places": (
        Variable("DOORITO_ENV_FILE", values.PATH, START,
                 "A file of NAME=value lines that a start reads; `make` sets it to .env.local."),
        Variable("DOORITO_STATE_DIR", values.PATH, EVERY,
                 "What must outlive a restart: uploads, and the embedded PostgreSQL's data.",
                 _state_dir, default_text=".state"),
        Variable("DOORITO_RUNTIME_DIR", values.PATH, START,
                 "Sockets and pid files: a private folder (0700) with a short path.",
                 _runtime_dir, default_text="/tmp/doorito-UID-HASH"),  # noqa: S108 - the launcher verifies it
        Variable("MEDIA_ROOT", values.PATH, (*WEB, *WORKER), "Where uploaded files are kept.",
                 _media_root, default_text="DOORITO_STATE_DIR/media"),
        Variable("STATIC_ROOT", values.PATH, WEB,
                 "Where collectstatic puts static files, and whence they are served.", "staticfiles"),
    ),
    "Database": (
        Variable("DOORITO_EMBEDDED_POSTGRES", values.BOOLEAN, START,
                 "Run a PostgreSQL 16 of our own beside the programs, for development. Does nothing "
                 "where DATABASE_URL is set.", "false"),
        Variable("DATABASE_URL", values.url("postgresql", "postgres", "sqlite"), EVERY,
                 "The database. Production needs PostgreSQL 16 or newer.", _database_url, secret=True,
                 default_text="sqlite:///db.sqlite3, or the embedded PostgreSQL"),
        Variable("DATABASE_PASSWORD", values.TEXT, EVERY,
                 "The password for a DATABASE_URL without one: any characters, nothing to percent-encode.",
                 secret=True),
        Variable("DATABASE_WAIT_S", values.whole(0, 3600, "seconds"), START,
                 "How long a start waits for the database, and for the broker's where it has its own, before "
                 "it gives up with status 69.", "60"),
        Variable("MIGRATIONS_WAIT_S", values.whole(0, 86_400, "seconds"), START,
                 "How long a start waits until another one has applied the migrations.", "300"),
        Variable("RUN_MIGRATIONS", values.BOOLEAN, START,
                 "Apply the migrations before the start. Unset: yes for role all, no for the others.",
                 default_text="true for role all, else false"),
    ),
    "Celery": (
        Variable("CELERY_BROKER_URL", values.url("sqla+postgresql", "sqla+postgresql+psycopg", "amqp",
                                                 "amqps", "redis", "rediss", "memory"), EVERY,
                 "The broker. Unset, it is the database where that is PostgreSQL. Another PostgreSQL database"
                 " gets its tables by `doorito broker migrate`.",
                 _broker_url, secret=True, default_text="follows a PostgreSQL DATABASE_URL"),
        Variable("BROKER_MAX_DELIVERIES", values.whole(1, 1000, "deliveries"), WORKER,
                 "A message whose worker died so many times becomes a dead letter (broker on PostgreSQL).",
                 "5"),
        Variable("BROKER_TRANSACTIONAL", values.BOOLEAN, EVERY,
                 "A task sent within a transaction exists only if that commits (broker in DATABASE_URL's).",
                 "true"),
        Variable("CELERY_TASK_ALWAYS_EAGER", values.BOOLEAN, EVERY,
                 "Run tasks at once in the calling process, without a worker.", "true", "false"),
        Variable("CELERY_QUEUES", values.list_of(*QUEUES), WORKER,
                 "The queues that a worker takes from.", "high,default"),
        Variable("CELERY_CONCURRENCY", values.whole_or_auto(1, 128, "processes", Capacity.concurrency),
                 WORKER,
                 "Processes of a worker that run tasks. auto: one for each CPU, as far as memory goes, by "
                 "the container's limits.", "4"),
        Variable("CELERY_WORKERS", values.workers(*QUEUES), WORKER,
                 "Worker programs: how many, each taking CELERY_QUEUES; or one an item, with queues and "
                 "perhaps processes of its own, so that a long queue does not hold up another.", "1"),
        Variable("CELERY_MAX_MEMORY_PER_CHILD", values.whole(0, 1_000_000_000, "kilobytes"), WORKER,
                 "A process that has grown to so much memory ends after its task, and another takes its "
                 "place; 0: never. As Celery's worker_max_memory_per_child.", "0"),
        Variable("CELERY_TASK_SOFT_TIME_LIMIT_S", values.whole(1, 86_400, "seconds"), WORKER,
                 "After this long a task is told to end (SoftTimeLimitExceeded).", "50"),
        Variable("CELERY_TASK_TIME_LIMIT_S", values.whole(1, 86_400, "seconds"), WORKER,
                 "After this long a task's process is killed.", "60"),
        Variable("CELERY_RESULT_EXPIRES_HOURS", values.above_zero(8760, "hours"), (*WORKER, *BEAT),
                 "How long results of tasks are kept.", "24"),
    ),
    # sample: begin
    "The sample feature": (
        Variable("UPLOAD_MAX_MB", values.whole(1, 1024, "megabytes of 1,000,000 bytes"), WEB,
                 "The largest file that can be uploaded.", "25"),
        Variable("UPLOAD_LIFETIME_HOURS", values.above_zero(87_600, "hours"), (*WEB, *WORKER),
                 "How old an upload gets before the clean-up removes it.", "168"),
        Variable("CLEANUP_UPLOADS_INTERVAL_HOURS", values.above_zero(8760, "hours"), BEAT,
                 "Hours between two clean-ups of uploads. This variable owns that schedule.", "6"),
    ),
    # sample: end
    "Mail and the first account": (
        Variable("EMAIL_URL", values.url("smtp", "submission", "console", "dummy"),
                 (*WEB, *WORKER),
                 "How mail is sent. submission:// is SMTP with STARTTLS, smtp://...?ssl=true is TLS.",
                 "console://", "smtp://localhost:25", secret=True),
        Variable("DEFAULT_FROM_EMAIL", values.TEXT, (*WEB, *WORKER),
                 "The sender of mail.", "Doorito <noreply@localhost>"),
        Variable("DJANGO_SUPERUSER_EMAIL", values.EMAIL, START,
                 "A start creates this administrator, unless the account exists."),
        Variable("DJANGO_SUPERUSER_PASSWORD", values.TEXT, START,
                 "That administrator's first password.", secret=True),
    ),
    "Logs": (
        Variable("LOG_LEVEL", values.one_of("debug", "info", "warning", "error", "critical"), EVERY,
                 "The least that programs log.", "info"),
        Variable("LOG_FORMAT", values.one_of("text", "json"), EVERY,
                 "Lines for people, or one JSON object a line.", "text"),
    ),
    "Start and stop": (
        Variable("DOORITO_ROLE", values.one_of("all", *EVERY), START,
                 "The role, where the command cannot be changed: it holds where `doorito run` is given "
                 "no role, or web. Any other role beside it is refused. Programs find theirs in it."),
        Variable("SUPERVISE_ON_FAILURE", values.one_of("exit", "keep"), START,
                 "What a program that cannot be kept running means: exit stops the rest and ends with "
                 "status 70, keep leaves the others up.", "keep", "exit"),
        Variable("SUPERVISE_RESTARTS", values.whole(1, 1000, "restarts"), START,
                 "A program that ends by itself more often than this within SUPERVISE_RESTARTS_WITHIN_S "
                 "cannot be kept running.", "5"),
        Variable("SUPERVISE_RESTARTS_WITHIN_S", values.whole(1, 86_400, "seconds"), START,
                 "The time in which SUPERVISE_RESTARTS are counted.", "60"),
        Variable("WATCHDOG_WEB_S", values.whole(0, 86_400, "seconds"), START,
                 "A web server whose main loop is silent for so long hangs, and is started again; 0: "
                 "never.", "30"),
        Variable("WATCHDOG_WORKER_S", values.whole(0, 86_400, "seconds"), START,
                 "The same for a worker's main loop. A long task is no reason; the solo pool, which runs "
                 "tasks in that loop, is exempt.", "60"),
        Variable("WATCHDOG_BEAT_S", values.whole(0, 86_400, "seconds"), START,
                 "The same for beat's loop.", "60"),
        Variable("STOP_BUDGET_S", values.whole(20, 172_800, "seconds"), START,
                 "How long a whole stop may take. It is divided among the programs; what still runs then "
                 "is killed.", "120"),
    ),
}
# fmt: on

REGISTRY: Final = tuple(variable for group in GROUPS.values() for variable in group)
VARIABLES: Final = {variable.name: variable for variable in REGISTRY}


def load(environ: Raw | None = None) -> Environment:
    """Read and check every variable; `environ` is the process environment unless given.

    Raises InvalidEnvironment with all problems at once.
    """
    found = examine(environ)
    if found.problems:
        raise InvalidEnvironment(list(found.problems))
    return found


def load_or_exit(environ: Raw | None = None) -> Environment:
    """`load`, for a program's top level: prints each problem on standard error and exits with 78."""
    try:
        return load(environ)
    except InvalidEnvironment as error:
        for problem in error.problems:
            print(f"doorito: {problem}", file=sys.stderr)
        raise SystemExit(EX_CONFIG) from None


def examine(environ: Raw | None = None) -> Environment:
    """As `load`, but whatever is wrong stands in `problems`; what could not be read is missing."""
    found = reading.examine(VARIABLES, os.environ if environ is None else environ)
    complete: dict[str, Any] = dict(found.typed)
    if url := complete.get("DATABASE_URL"):
        complete["DATABASE_URL"] = with_password(url, complete.get("DATABASE_PASSWORD"))
    return dataclasses.replace(found, typed=complete)


def program() -> str | None:
    """The name of the program that this process is of, where supervisord runs it."""
    return os.environ.get("SUPERVISOR_PROCESS_NAME")


def shows_colours(stream: IO[str]) -> bool:
    """Whether a stream is a terminal that shows colours, and nobody has said no (https://no-color.org)."""
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not is_plain


def names_file() -> bool:
    """Whether the process environment says anything of a file to read, even that there is none."""
    return "DOORITO_ENV_FILE" in os.environ or "DOORITO_ROLE" in os.environ
