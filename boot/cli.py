"""The `doorito` command."""

from __future__ import annotations

import argparse
import sys
from typing import Final, NoReturn

from boot import operate, queues, roles
from boot.places import BASE_DIR

EX_USAGE: Final = 64  # sysexits.h: the command was used incorrectly
EX_UNAVAILABLE: Final = 69
EX_CONFIG: Final = 78
KEY_BYTES: Final = 50  # of randomness: 67 characters, beyond the 50 that Django asks for

RUN_HELP: Final = """\
usage: doorito run [--reload] [ROLE] [ARGUMENTS ...]

Without a ROLE, or with `web`, the variable DOORITO_ROLE decides where it is set.

Supervised roles, which validate the environment, prepare the database and run under supervisord:
  all             web server, worker and beat (and the embedded PostgreSQL, where it is asked for)
  web             gunicorn (the default)
  celery-worker   the Celery worker
  celery-beat     Celery beat
    --reload      restart each program when a file changes, for development

Roles that become one command:
  dev             collectstatic, then Django's development server
  manage ...      python manage.py ...
  doorito ...     this command
  ANYTHING ...    that program

exit status: 0; 64 wrong usage; 69 a service stays away (database, port, another stack);
70 a program failed for good; 78 wrong configuration
"""

BACKUP_STATUSES: Final = """\
exit status: 0; 64 wrong usage, or not confirmed; 65 FILE is damaged or no backup; 69 the database stays
away or is in use, its client programs are missing, FILE or MEDIA_ROOT cannot be written or read, or
the disk is full; 70 pg_dump, pg_restore or psql failed; 78 wrong configuration; 128 and the number of
a signal that stopped it. Of all but 0, nothing has changed, unless the message says so.
"""
BROKER_STATUSES: Final = """\
exit status: 0; 1 with --check: tables are missing or older than this version; 64 wrong usage; 69 the
database stays away; 70 the tables cannot be made; 78 wrong configuration
"""
_AsIs = argparse.RawDescriptionHelpFormatter


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EX_USAGE, f"{self.prog}: {message}\n")


def main(arguments: list[str] | None = None) -> int:
    """The command's exit status; see `doorito run --help` for those of a start."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["run"]:  # everything after the role is the role's own
        return _run(given[1:])
    if not given:
        _parser().print_help()
        return EX_USAGE
    options = _parser().parse_args(given, argparse.Namespace(given=given))
    status: int = options.action(options)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="doorito", description="Runs this project, and tells what configures it.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    commands.add_parser("run", help="start a role: `doorito run --help`", add_help=False)
    env = commands.add_parser("env", help="the variables, their values, and where each comes from")
    env.set_defaults(action=_env_table)
    env.add_argument("--json", action="store_true", help="for machines")
    about = env.add_subparsers(title="more", metavar="{explain,write,check}", dest="more")
    explain = about.add_parser("explain", help="all about one variable")
    explain.add_argument("name", metavar="NAME")
    explain.set_defaults(action=_env_explain)
    write = about.add_parser("write", help="generate .env.example and docs/environment.md")
    write.set_defaults(action=_env_write)
    check = about.add_parser("check", help="tell whether those two are fresh (status 1 when not)")
    check.set_defaults(action=_env_check)
    operate.add_commands(commands)
    secret = commands.add_parser("secret", help="print a random key for DJANGO_SECRET_KEY")
    secret.set_defaults(action=_secret)
    setup = commands.add_parser("setup", help="write .env.local for development, unless it is there")
    setup.set_defaults(action=_setup)
    statuses = "exit status: 0 all is well; 1 there are warnings; 2 there are errors; 64 wrong usage"
    doctor = commands.add_parser("doctor", help="check this deployment, and say what to do", epilog=statuses)
    doctor.set_defaults(action=_doctor)
    doctor.add_argument("--json", action="store_true", help="for machines")
    _add_backup(commands)
    waiting = commands.add_parser("queues", help="what the broker on PostgreSQL holds, and its dead letters")
    queues.add_arguments(waiting)
    waiting.set_defaults(action=_queues)
    _add_broker(commands)
    server = commands.add_parser("postgres", help="become the embedded PostgreSQL (supervisord runs this)")
    server.set_defaults(action=_postgres)
    return parser


def _add_backup(commands: argparse._SubParsersAction[_Parser]) -> None:
    backup = commands.add_parser(
        "backup", help="write database and uploads to one file", epilog=BACKUP_STATUSES, formatter_class=_AsIs
    )
    backup.set_defaults(action=_backup)
    backup.add_argument("file", metavar="FILE", help="a tar file, made as a whole or not at all")
    backup.add_argument("--force", action="store_true", help="replace FILE where it is there")
    backup.add_argument("--json", action="store_true", help="for machines")
    restore = commands.add_parser(
        "restore",
        help="replace database and uploads by a backup",
        epilog=BACKUP_STATUSES,
        formatter_class=_AsIs,
    )
    restore.set_defaults(action=_restore)
    restore.add_argument("file", metavar="FILE", help="what `doorito backup` wrote; it is checked first")
    restore.add_argument("--yes", action="store_true", help="do not ask; needed without a terminal")
    restore.add_argument("--json", action="store_true", help="for machines")


def _add_broker(commands: argparse._SubParsersAction[_Parser]) -> None:
    broker = commands.add_parser("broker", help="Celery's broker in PostgreSQL")
    about = broker.add_subparsers(title="commands", metavar="COMMAND", required=True)
    migrate = about.add_parser(
        "migrate",
        help="make its tables, or bring them up to date",
        description="Makes the broker's tables in the database of CELERY_BROKER_URL, or brings them up to "
        "date. Needed where that is not the database of DATABASE_URL, whose `migrate` makes them too.",
        epilog=BROKER_STATUSES,
        formatter_class=_AsIs,
    )
    migrate.set_defaults(action=_broker_migrate)
    migrate.add_argument("--check", action="store_true", help="change nothing, tell whether it is needed")


def _run(given: list[str]) -> int:
    if given[:1] in (["--help"], ["-h"]):
        print(RUN_HELP, end="")
        return 0
    reload = given[:1] == ["--reload"]
    argument, rest = next(iter(given[reload:]), None), given[reload + 1 :]
    try:
        role = _chosen_role(argument)
    except roles.Disagreement as error:
        print(f"doorito: {error}", file=sys.stderr)
        return EX_CONFIG
    supervised = role in roles.SUPERVISED
    if not role or role.startswith("-") or (supervised and rest) or (reload and not supervised):
        wrong, known = " ".join(given), ", ".join(roles.NAMES)
        print(f"doorito run: {wrong!r} is not understood; the roles are {known}", file=sys.stderr)
        print("doorito run: see `doorito run --help`", file=sys.stderr)
        return EX_USAGE
    from boot.launch import run  # here: the other commands need none of it

    _mention_unread_file()
    return run(role, rest, reload)


def _chosen_role(argument: str | None) -> str:
    """Other programs need no registry, and run with a broken one."""
    if argument not in (None, *roles.SUPERVISED, "dev"):
        return str(argument)
    from boot.env import examine

    return roles.choose(argument, examine().typed.get("DOORITO_ROLE"))


def _mention_unread_file() -> None:
    """Say to whoever types the command beside `make` that it speaks of another database."""
    from boot import env, local

    if sys.stderr.isatty() and not env.names_file() and (BASE_DIR / local.FILE_NAME).exists():
        hint = f"DOORITO_ENV_FILE={local.FILE_NAME} reads it, as make does"
        print(f"doorito: {local.FILE_NAME} is not read; {hint}", file=sys.stderr)


def _env_table(options: argparse.Namespace) -> int:
    from boot import reference

    _mention_unread_file()
    return reference.show(as_json=options.json)


def _env_explain(options: argparse.Namespace) -> int:
    from boot import reference

    _mention_unread_file()
    try:
        print(reference.explain(options.name))
    except reference.UnknownVariable as error:
        print(f"doorito: {error}", file=sys.stderr)
        return EX_USAGE
    return 0


def _env_write(_: argparse.Namespace) -> int:
    from boot import reference

    for path in reference.write():
        print(f"wrote {path.relative_to(BASE_DIR)}")
    return 0


def _env_check(_: argparse.Namespace) -> int:
    from boot import reference

    stale = reference.check()
    for line in stale:
        print(f"doorito: {line}", file=sys.stderr)
    return 1 if stale else 0


def _secret(_: argparse.Namespace) -> int:
    import secrets  # here: the health probe is to be cheap

    print(secrets.token_urlsafe(KEY_BYTES))
    return 0


def _setup(_: argparse.Namespace) -> int:
    from boot import local

    if local.write():
        print(f"wrote {local.FILE_NAME}: development settings with a random key and password, yours to edit")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from boot.doctor import command

    _mention_unread_file()
    return command.show(as_json=options.json)


def _backup(options: argparse.Namespace) -> int:
    from boot.backup import command

    _mention_unread_file()
    return command.run_backup(options.file, options.force, options.json)


def _restore(options: argparse.Namespace) -> int:
    from boot.backup import command

    _mention_unread_file()
    return command.run_restore(options.file, options.yes, options.json)


def _queues(options: argparse.Namespace) -> int:
    from boot.launch import run

    _mention_unread_file()
    return run("manage", options.given, reload=False)


def _broker_migrate(options: argparse.Namespace) -> int:
    from boot.launch import run_module

    _mention_unread_file()
    return run_module("boot.tables", ["--check"] if options.check else [])


def _postgres(_: argparse.Namespace) -> int:
    from boot import postgres
    from boot.env import load_or_exit

    env = load_or_exit()
    try:
        postgres.become_server(postgres.cluster(env["DOORITO_STATE_DIR"], env["DOORITO_RUNTIME_DIR"]))
    except postgres.PostgresError as error:
        print(f"doorito: {error}", file=sys.stderr)
    return EX_UNAVAILABLE
