"""Commands of `doorito` for a stack that runs: health, status, reload, scale.

What they need is imported when one of them runs: the health probe is to be cheap.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any, Final

EX_USAGE: Final = 64
EX_UNAVAILABLE: Final = 69
EX_CONFIG: Final = 78
INTERRUPTED: Final = 130  # as a shell tells of SIGINT


def add_commands(commands: Any) -> None:
    """Add them to the subparsers of `doorito`."""
    health = commands.add_parser(
        "health",
        help="whether what runs here does its work (exit status 0, or 1 and why)",
        description="Asks /readyz of the web server, and the reports of the worker's and beat's own loops. "
        "Exit status 0: all ready; 1: not, and why; 64: no such role runs here.",
    )
    health.add_argument("role", metavar="ROLE", nargs="?", help="one of them; all that run, unless given")
    health.add_argument("--json", action="store_true", help="for machines")
    health.set_defaults(action=_health)
    status = commands.add_parser(
        "status",
        help="how each program is: state, readiness, restarts, memory, CPU",
        description="A table of the programs of the stack that runs here. READY tells the same as "
        "`supervisorctl status`, MEMORY and CPU count a program with all its processes, RESTARTS those that "
        "nobody asked for.",
        epilog="exit status: 0 all run and are ready; 1 not; 64 wrong usage; 69 nothing runs here",
    )
    status.add_argument("--json", action="store_true", help="for machines")
    status.add_argument("--watch", action="store_true", help="again every two seconds, until Ctrl-C")
    status.set_defaults(action=_status)
    again = commands.add_parser(
        "reload",
        help="new code and new settings, without losing a request",
        description="Reads the environment file and secret files again and checks everything, prepares the "
        "database as a start does, then restarts all programs; none where something is wrong.",
        epilog="exit status: 0; 64 wrong usage; 69 nothing runs here, or a service stays away; 70 a program "
        "did not come back; 78 wrong configuration",
    )
    again.set_defaults(action=_reload)
    scale = commands.add_parser(
        "scale",
        help="more or fewer processes for a program that runs, until its next start",
        epilog="exit status: 0; 64 wrong usage; 69 nothing runs here, or a program does not follow",
    )
    scale.add_argument("items", metavar="PROGRAM=N", nargs="+", help="such as web=6 or celery-worker=8")
    scale.set_defaults(action=_scale)


def _health(options: argparse.Namespace) -> int:
    from boot import health

    try:
        found = health.probe(options.role)
    except health.UnknownProgram as error:
        print(f"doorito health: {error}", file=sys.stderr)
        return EX_USAGE
    print(health.as_json(found) if options.json else health.report(found), end="")
    return health.HEALTHY if health.is_healthy(found) else health.UNHEALTHY


def _status(options: argparse.Namespace) -> int:
    from boot import control
    from boot.status import command

    try:
        return command.show(options.json, options.watch)
    except (control.NotRunning, control.Refused) as error:
        print(f"doorito status: {error}", file=sys.stderr)
        return EX_UNAVAILABLE
    except KeyboardInterrupt:
        return 0


def _reload(_: argparse.Namespace) -> int:
    from boot import launch

    return launch.to_its_end(_reloaded)


def _reloaded() -> int:
    from boot import control, reload, start, stopping
    from boot.env import InvalidEnvironment

    try:
        return reload.run()
    except stopping.Stopped:
        print("doorito reload: stopped; what supervisord has begun it brings to its end", file=sys.stderr)
        return INTERRUPTED
    except InvalidEnvironment as error:
        for problem in error.problems:
            print(f"doorito: {problem}", file=sys.stderr)
        print("doorito reload: nothing was restarted", file=sys.stderr)
        return EX_CONFIG
    except start.Refused as error:
        print(f"doorito reload: {error}; nothing was restarted", file=sys.stderr)
        return error.status
    except (control.NotRunning, control.Refused) as error:
        print(f"doorito reload: {error}", file=sys.stderr)
        return EX_UNAVAILABLE


def _scale(options: argparse.Namespace) -> int:
    from boot import control, scale

    try:
        scale.run(scale.parse(options.items))
    except scale.Wrong as error:
        print(f"doorito scale: {error}", file=sys.stderr)
        return EX_USAGE
    except (scale.NotScaled, control.NotRunning, control.Refused) as error:
        print(f"doorito scale: {error}", file=sys.stderr)
        return EX_UNAVAILABLE
    return 0
