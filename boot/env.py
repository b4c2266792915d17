"""The registry: every environment variable of Doorito, declared once, and the one that reads them.

A new variable is one entry of `REGISTRY`; then `doorito env write` brings `.env.example` and
`docs/environment.md` up to date. Needs no Django, so that it works when everything else is broken.

What was decided, each point tested: an empty value counts as unset (Compose passes unset variables
on as empty ones); nothing is interpolated; the process environment wins over the file that
DOORITO_ENV_FILE names; a secret may come as NAME_FILE, the path of a file with its value, less one
final newline; of NAME and NAME_FILE only one may be set; a name close to one of ours is a mistake.
"""

from __future__ import annotations

import difflib
import io
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from dotenv.parser import parse_stream
from environs import Env, EnvValidationError

from boot import places, rules, values
from boot.values import Kind

EX_CONFIG: Final = 78  # sysexits.h: something was found in an unconfigured or misconfigured state
QUEUES: Final = ("high", "default")
CLOSE: Final = 0.86  # difflib ratio: WEB_PROT is 0.875 from WEB_PORT; WEB_PORT_8000_TCP 0.64
SHOWN: Final = 60  # characters of a wrong value in a message

WEB: Final = ("web", "dev")
WORKER: Final = ("celery-worker",)
BEAT: Final = ("celery-beat",)
START: Final = ("start-up",)  # `doorito run` itself, before any program
EVERY: Final = (*WEB, *WORKER, *BEAT)

Raw = Mapping[str, str]  # names to texts; unset ones are left out
Default = str | Callable[[Raw], str | None] | None


class InvalidEnvironment(Exception):
    """The environment cannot be used; `problems` says why, a line each, never a secret's value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Variable:
    """One environment variable, and all that messages, tables and pages say of it.

    A callable default gets the texts of the variables declared before it; `default_text` says in
    words what it yields. `production` is the default there, where it differs.
    """

    name: str
    kind: Kind
    roles: tuple[str, ...]  # which roles read it
    help: str
    default: Default = None
    production: Default = None
    required: bool = False  # in Production, where `default` then does not hold
    default_text: str = ""
    secret: bool = False

    def default_for(self, given: Raw) -> str | None:
        """The default's text under the configuration that `given` names; None where there is none."""
        in_production = given.get("DJANGO_CONFIGURATION") == "Production"
        if in_production and self.required:
            return None
        chosen = self.production if in_production and self.production is not None else self.default
        return chosen(given) if callable(chosen) else chosen


def _public_url(given: Raw) -> str:
    return f"http://localhost:{given['WEB_PORT']}"


def _database_url(given: Raw) -> str:
    if given["DOORITO_EMBEDDED_POSTGRES"].lower() not in ("true", "1"):
        return "sqlite:///db.sqlite3"
    folder = places.postgres_socket_dir(given["DOORITO_STATE_DIR"], given["DOORITO_RUNTIME_DIR"])
    return f"postgresql://doorito@/doorito?host={quote(str(folder), safe='')}"


def _broker_url(given: Raw) -> str:
    scheme, _, rest = given["DATABASE_URL"].partition("://")
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
REGISTRY: Final = (
    # Django
    Variable("DJANGO_SETTINGS_MODULE", values.DOTTED_NAME, EVERY,
             "The settings module.", "boot.settings"),
    Variable("DJANGO_CONFIGURATION", values.one_of("Dev", "Production"), EVERY,
             "Which defaults hold. Production refuses to start with what is unsafe there.", "Dev"),
    Variable("DJANGO_SECRET_KEY", values.TEXT._replace(accepted="50 or more random characters"), EVERY,
             "Signs sessions and tokens. `doorito secret` prints one.",
             rules.INSECURE_DEV_KEY, required=True, secret=True, default_text="(an insecure one)"),
    Variable("DJANGO_DEBUG", values.BOOLEAN, EVERY,
             "Debug pages and no static manifest. Refused in Production.", "true", "false"),
    Variable("DJANGO_ALLOWED_HOSTS", values.list_of(example="example.org,www.example.org"), WEB,
             "The host names that the site answers to.", "localhost,127.0.0.1", required=True),
    Variable("TIME_ZONE", values.TIME_ZONE, EVERY,
             "The time zone of pages and schedules. The database keeps UTC.", "UTC"),
    # Web
    Variable("WEB_BIND", values.IP_ADDRESS, WEB,
             "The address that the web server listens on.", "0.0.0.0"),  # noqa: S104 - as specified
    Variable("WEB_PORT", values.whole(1, 65535), WEB, "The port that it listens on.", "8000"),
    Variable("WEB_WORKERS", values.whole(1, 128, "processes"), WEB, "gunicorn's worker processes.", "4"),
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
             "How long browsers are told to use HTTPS only. Raise it to 31536000 once all works.", "3600"),
    Variable("HSTS_INCLUDE_SUBDOMAINS", values.BOOLEAN, WEB, "HSTS for all subdomains as well.", "false"),
    Variable("HSTS_PRELOAD", values.BOOLEAN, WEB,
             "Ask browsers to build HSTS for this domain in. Hard to undo.", "false"),
    # Places
    Variable("DOORITO_ENV_FILE", values.PATH, START,
             "A file of NAME=value lines that a start reads; `make` sets it to .env.local."),
    Variable("DOORITO_STATE_DIR", values.PATH, EVERY,
             "What must outlive a restart: uploads, and the embedded PostgreSQL's data.",
             _state_dir, default_text=".state"),
    Variable("DOORITO_RUNTIME_DIR", values.PATH, START,
             "Sockets and pid files: a private folder (0700) with a short path.",
             _runtime_dir, default_text="/tmp/doorito-UID-HASH"),
    Variable("MEDIA_ROOT", values.PATH, (*WEB, *WORKER), "Where uploaded files are kept.",
             _media_root, default_text="DOORITO_STATE_DIR/media"),
    # Database
    Variable("DOORITO_EMBEDDED_POSTGRES", values.BOOLEAN, START,
             "Run a PostgreSQL 16 of our own beside the programs, for development. Does nothing "
             "where DATABASE_URL is set.", "false"),
    Variable("DATABASE_URL", values.url("postgresql", "postgres", "sqlite"), EVERY,
             "The database. Production needs PostgreSQL 16 or newer.", _database_url, secret=True,
             default_text="sqlite:///db.sqlite3, or the embedded PostgreSQL"),
    Variable("DATABASE_WAIT_S", values.whole(0, 3600, "seconds"), START,
             "How long a start waits for the database before it gives up with status 69.", "60"),
    Variable("MIGRATIONS_WAIT_S", values.whole(0, 86_400, "seconds"), START,
             "How long a start waits until another one has applied the migrations.", "300"),
    Variable("RUN_MIGRATIONS", values.BOOLEAN, START,
             "Apply the migrations before the start. Unset: yes for role all, no for the others.",
             default_text="true for role all, else false"),
    # Celery
    Variable("CELERY_BROKER_URL", values.url(
                 "sqla+postgresql", "sqla+postgresql+psycopg", "amqp", "amqps", "redis", "rediss", "memory"), EVERY,
             "The broker. Unset, it is the database where that is PostgreSQL.",
             _broker_url, secret=True, default_text="follows a PostgreSQL DATABASE_URL"),
    Variable("CELERY_TASK_ALWAYS_EAGER", values.BOOLEAN, EVERY,
             "Run tasks at once in the calling process, without a worker.", "true", "false"),
    Variable("CELERY_QUEUES", values.list_of(*QUEUES), WORKER, "The queues that a worker takes from.", "high,default"),
    Variable("CELERY_CONCURRENCY", values.whole(1, 128, "processes"), WORKER, "Processes that run tasks.", "4"),
    Variable("CELERY_TASK_SOFT_TIME_LIMIT_S", values.whole(1, 86_400, "seconds"), WORKER,
             "After this long a task is told to end (SoftTimeLimitExceeded).", "50"),
    Variable("CELERY_TASK_TIME_LIMIT_S", values.whole(1, 86_400, "seconds"), WORKER,
             "After this long a task's process is killed.", "60"),
    Variable("CELERY_RESULT_EXPIRES_HOURS", values.above_zero(8760, "hours"), (*WORKER, *BEAT),
             "How long results of tasks are kept.", "24"),
    # The sample feature
    Variable("UPLOAD_MAX_MB", values.whole(1, 1024, "megabytes of 1,000,000 bytes"), WEB,
             "The largest file that can be uploaded.", "25"),
    Variable("UPLOAD_LIFETIME_HOURS", values.above_zero(87_600, "hours"), (*WEB, *WORKER),
             "How old an upload gets before the clean-up removes it.", "168"),
    Variable("CLEANUP_UPLOADS_INTERVAL_HOURS", values.above_zero(8760, "hours"), BEAT,
             "Hours between two clean-ups of uploads. This variable owns that schedule.", "6"),
    # Mail and the first account
    Variable("EMAIL_URL", values.url("smtp", "submission", "smtps", "console", "file", "dummy"), (*WEB, *WORKER),
             "How mail is sent, such as submission://user:password@mail.example.org:587.",
             "console://", "smtp://localhost:25", secret=True),
    Variable("DEFAULT_FROM_EMAIL", values.TEXT, (*WEB, *WORKER), "The sender of mail.", "Doorito <noreply@localhost>"),
    Variable("DJANGO_SUPERUSER_EMAIL", values.EMAIL, START,
             "A start creates this administrator, unless the account exists."),
    Variable("DJANGO_SUPERUSER_PASSWORD", values.TEXT, START, "That administrator's first password.", secret=True),
    # Logs
    Variable("LOG_LEVEL", values.one_of("debug", "info", "warning", "error", "critical"), EVERY,
             "The least that programs log.", "info"),
    Variable("LOG_FORMAT", values.one_of("text", "json"), EVERY,
             "Lines for people, or one JSON object a line.", "text"),
    # Start and stop
    Variable("DOORITO_ROLE", values.one_of("all", *EVERY), START,
             "The role that runs; `doorito run` sets it for its programs."),
    Variable("STOP_BUDGET_S", values.whole(20, 86_400, "seconds"), START,
             "How long a whole stop may take. It is divided among the programs; what still runs then "
             "is killed.", "120"),
)
# fmt: on

VARIABLES: Final = {variable.name: variable for variable in REGISTRY}
FILE_NAMES: Final = {f"{variable.name}_FILE": variable for variable in REGISTRY if variable.secret}


class _Source(Env):
    """environs, reading from the given texts alone; `FileAwareEnv` overrides the same method."""

    def __init__(self, texts: Raw) -> None:
        super().__init__(eager=False)
        self._texts = texts

    def _get_value(self, env_key: str, default: Any) -> Any:
        return self._texts.get(env_key, default)


@dataclass(frozen=True)
class Environment:
    """All variables, read and checked. `env["WEB_PORT"]` is a value; unset ones are None."""

    typed: Mapping[str, Any]
    texts: Raw
    sources: Mapping[str, str]  # name -> where its value came from, in words
    warnings: tuple[str, ...]
    merged: Raw  # the process environment over the file: what programs are given

    def __getitem__(self, name: str) -> Any:
        return self.typed[name]


def load(environ: Raw | None = None) -> Environment:
    """Read and check every variable; `environ` is the process environment unless given.

    Raises InvalidEnvironment with all problems at once.
    """
    process = dict(os.environ if environ is None else environ)
    problems: list[str] = []
    file_name = process.get("DOORITO_ENV_FILE", "")
    in_file = _file_texts(file_name, problems) if file_name else {}
    merged = {**in_file, **process}
    given = {name: text for name, text in merged.items() if text}
    sources = {name: "environment" if name in process else f"file {file_name}" for name in given}
    problems += _misspelt(given)
    _read_secret_files(given, sources, problems)
    texts, typed = _parse(given, sources, problems)
    problems += [f"{name}: {message}" for name, message in rules.problems(typed)]
    if problems:
        raise InvalidEnvironment(problems)
    warnings = tuple(f"{name}: {message}" for name, message in rules.warnings(typed))
    return Environment(typed, texts, sources, warnings, merged)


def load_or_exit(environ: Raw | None = None) -> Environment:
    """`load`, for a program's top level: prints each problem on standard error and exits with 78."""
    try:
        return load(environ)
    except InvalidEnvironment as error:
        for problem in error.problems:
            print(f"doorito: {problem}", file=sys.stderr)
        raise SystemExit(EX_CONFIG) from None


def _file_texts(name: str, problems: list[str]) -> dict[str, str]:
    """The file's names and texts, as python-dotenv parses them, nothing interpolated."""
    try:
        content = (places.BASE_DIR / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"DOORITO_ENV_FILE: the file {_shown(name)} cannot be read ({_reason(error)})")
        return {}
    texts = {}
    for binding in parse_stream(io.StringIO(content)):
        if binding.error or (binding.key and binding.value is None):
            blank = len(binding.original.string) - len(binding.original.string.lstrip("\r\n"))
            problems.append(f"{name}, line {binding.original.line + blank}: is not of the form NAME=value")
        elif binding.key and binding.value is not None:
            texts[binding.key] = binding.value
    return texts


def _misspelt(given: Raw) -> list[str]:
    """Names that are not ours but close to one of ours that is unset, and unknown DOORITO_ ones."""
    known = {*VARIABLES, *FILE_NAMES}
    found = []
    for name in sorted(set(given) - known):
        close = difflib.get_close_matches(name.upper(), known - set(given), n=1, cutoff=CLOSE)
        if close:
            found.append(f"{name}: is no variable of Doorito; did you mean {close[0]}?")
        elif name.startswith("DOORITO_"):
            found.append(f"{name}: is no variable of Doorito; `doorito env` lists them")
    return found


def _read_secret_files(given: dict[str, str], sources: dict[str, str], problems: list[str]) -> None:
    """Put the content of each NAME_FILE in place of NAME."""
    for file_name in FILE_NAMES.keys() & given.keys():
        name, path = FILE_NAMES[file_name].name, given[file_name]
        if name in given:
            problems.append(f"{name}: is set, and so is {file_name}; set one of them")
            continue
        try:
            content = (places.BASE_DIR / path).read_bytes().decode()
        except (OSError, ValueError) as error:
            problems.append(f"{file_name}: the file {_shown(path)} cannot be read ({_reason(error)})")
            sources[name] = "unreadable"
            continue
        given[name] = content.removesuffix("\n").removesuffix("\r")
        sources[name] = f"{file_name} ({path})"


def _parse(given: Raw, sources: dict[str, str], problems: list[str]) -> tuple[Raw, dict[str, Any]]:
    """Texts with defaults filled in, and the values of those that could be read."""
    texts: dict[str, str] = {}
    for variable in REGISTRY:
        default = variable.default_for({**texts, **given})
        if variable.name in given:
            texts[variable.name] = given[variable.name]
        elif default is not None:
            texts[variable.name] = default
            sources[variable.name] = "default"
    source = _Source(texts)
    for variable in REGISTRY:
        source.add_parser(f"parse_{variable.name}", variable.kind.parse)
    typed: dict[str, Any] = {v.name: None for v in REGISTRY}
    typed |= {name: getattr(source, f"parse_{name}")(name) for name in texts}
    wrong = _wrong(source)
    problems += [_problem(VARIABLES[name], texts[name], messages[0]) for name, messages in wrong.items() if name in given]
    if typed["DJANGO_CONFIGURATION"] == "Production":
        missing = [v for v in REGISTRY if v.required and v.name not in texts and sources.get(v.name) != "unreadable"]
        problems += [f"{v.name}: is required in Production; accepted: {v.kind.accepted}" for v in missing]
    return texts, {name: value for name, value in typed.items() if name not in wrong}


def _wrong(source: Env) -> Mapping[str, list[str]]:
    try:
        source.seal()
    except EnvValidationError as error:
        return error.error_messages
    return {}


def _problem(variable: Variable, text: str, predicate: str) -> str:
    subject = "its value" if variable.secret else _shown(text)
    return f"{variable.name}: {subject} {predicate}; accepted: {variable.kind.accepted}"


def _shown(text: str) -> str:
    """The text on one line, quoted and not too long."""
    return json.dumps(text if len(text) <= SHOWN else text[:SHOWN] + "...", ensure_ascii=False)


def _reason(error: Exception) -> str:
    return error.strerror or "" if isinstance(error, OSError) else "it is not UTF-8 text"
