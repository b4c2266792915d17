"""The arguments of `doorito queues`, for the launcher and for `manage.py queues`, which does the work."""

from __future__ import annotations

import argparse
from typing import Final

DESCRIPTION: Final = """\
A line a queue: messages that are ready, that are delayed until their time, that consumers have and
did not acknowledge yet; for how long the oldest ready one has been so; consumers; dead letters, which
were given up because consumers died with them.
"""
STATUSES: Final = """\
exit status: 0; 1 some of the dead letters were left as they are, the message says why; 64 wrong usage, not
confirmed, or the broker is not the one on PostgreSQL; 69 the database does not answer;
78 wrong configuration, or the broker's tables are missing
"""
SHOWN: Final = 100  # dead letters, unless told otherwise
_LARGEST_ID: Final = 2**63 - 1  # PostgreSQL's bigint


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is to be shown or done; `what` is None for the queues themselves."""
    parser.description, parser.epilog = DESCRIPTION, STATUSES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--json", action="store_true", help="for machines")
    about = parser.add_subparsers(title="more", metavar="{dead,requeue,discard}", dest="what")
    dead = about.add_parser("dead", help="list dead letters: messages that were given up")
    dead.add_argument("queue", metavar="QUEUE", nargs="?", help="one queue's; those of all, unless given")
    dead.add_argument(
        "--limit", type=_number, default=SHOWN, metavar="N", help="the newest N (default: %(default)s)"
    )
    requeue = about.add_parser("requeue", help="put dead letters back into their queues")
    _add_letters(requeue)
    discard = about.add_parser("discard", help="delete dead letters for good")
    _add_letters(discard)
    discard.add_argument("--yes", action="store_true", help="do not ask; needed without a terminal")
    for command in (dead, requeue, discard):
        command.epilog, command.formatter_class = STATUSES, argparse.RawDescriptionHelpFormatter
        # Where it is not given here, what was given before the command holds.
        command.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="for machines")


def _add_letters(parser: argparse.ArgumentParser) -> None:
    letters = parser.add_mutually_exclusive_group(required=True)
    letters.add_argument(
        "ids", metavar="ID", type=_number, nargs="*", default=[], help="as `doorito queues dead` lists them"
    )
    letters.add_argument("--all", metavar="QUEUE", dest="all_of", help="all dead letters of this queue")


def _number(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 0 < number <= _LARGEST_ID:
        message = f"{text!r} is not a whole number above 0"
        raise argparse.ArgumentTypeError(message)
    return number
