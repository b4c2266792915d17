"""`manage.py queues`, which `doorito queues` becomes: what the broker on PostgreSQL holds."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any, Final

from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError, OperationalError

from apps.broker import deadletters, listing, overview, whereabouts
from apps.broker.errors import NO_TABLES
from apps.broker.models import DeadLetter
from boot import queues
from boot.refusals import understand

EX_LEFT: Final = 1  # some dead letters were left as they are
EX_USAGE: Final = 64
EX_UNAVAILABLE: Final = 69
EX_CONFIG: Final = 78


class Refused(Exception):
    """Nothing was shown or done; `status` is the exit status."""

    def __init__(self, message: str, status: int = EX_USAGE) -> None:
        super().__init__(message)
        self.status = status


class Command(BaseCommand):
    """Exit statuses as `boot.queues` tells."""

    help = "Shows the queues of the broker on PostgreSQL, and its dead letters."
    requires_system_checks = ()  # or a broken page would hide what waits

    def add_arguments(self, parser: ArgumentParser) -> None:
        queues.add_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            status = self._act(options)
        except Refused as error:
            print(f"doorito: {error}", file=sys.stderr)
            raise SystemExit(error.status) from error
        except (DatabaseError, InterfaceError) as error:
            refused = _understood(error)
            print(f"doorito: {refused}", file=sys.stderr)
            raise SystemExit(refused.status) from error
        if status:
            raise SystemExit(status)

    def _act(self, options: Mapping[str, Any]) -> int:
        if reason := whereabouts.absence():
            raise Refused(reason)
        match options["what"]:
            case "dead":
                return self._list_dead(options)
            case "requeue":
                return self._requeue(options)
            case "discard":
                return self._discard(options)
        states = overview.queues()
        facts = {"queues": [listing.queue_facts(state) for state in states]}
        self._say(options, facts, listing.queues_table(states))
        return 0

    def _say(self, options: Mapping[str, Any], facts: Mapping[str, Any], text: str) -> None:
        self.stdout.write(json.dumps(facts) if options["json"] else text)

    def _list_dead(self, options: Mapping[str, Any]) -> int:
        letters = DeadLetter.objects.defer("body").order_by("-died_at", "-id")
        if options["queue"] is not None:
            _refuse_unknown(options["queue"])
            letters = letters.filter(queue=options["queue"])
        total, shown = letters.count(), list(letters[: options["limit"]])
        facts = {"total": total, "dead_letters": [listing.letter_facts(letter) for letter in shown]}
        self._say(options, facts, listing.letters_table(shown))
        if len(shown) < total:
            print(f"doorito: {total - len(shown)} older ones are not shown; see --limit", file=sys.stderr)
        return 0

    def _requeue(self, options: Mapping[str, Any]) -> int:
        done = deadletters.requeue(_ids(options))
        left = {
            id_: f"left as it is, since its queue {queue!r} no longer exists"
            for id_, queue in done.homeless.items()
        }
        return self._tell(options, "requeued", done.moved, left | _unknown(done.unknown))

    def _discard(self, options: Mapping[str, Any]) -> int:
        ids = _ids(options)
        if ids and not options["yes"]:
            _confirm(len(ids))
        gone = deadletters.discard(ids)
        return self._tell(options, "discarded", gone, _unknown(sorted(set(ids) - set(gone))))

    def _tell(self, options: Mapping[str, Any], verb: str, ids: list[int], left: Mapping[int, str]) -> int:
        facts = {verb: ids, "left": {str(id_): why for id_, why in left.items()}}
        self._say(options, facts, f"{verb}: {len(ids)}")
        for id_, why in left.items():
            print(f"doorito: {id_}: {why}", file=sys.stderr)
        return EX_LEFT if left else 0


def _ids(options: Mapping[str, Any]) -> list[int]:
    if options["all_of"] is None:
        return list(dict.fromkeys(options["ids"]))
    _refuse_unknown(options["all_of"])
    return deadletters.ids_of(options["all_of"])


def _refuse_unknown(queue: str) -> None:
    """A misspelt name is not a queue without dead letters. Raises Refused."""
    names = [state.name for state in overview.queues()]
    if queue not in names:
        message = f"there is no queue {queue!r}; there are {', '.join(names) or 'none'}"
        raise Refused(message)


def _unknown(ids: list[int]) -> dict[int, str]:
    return dict.fromkeys(ids, "no such dead letter, or no longer")


def _confirm(count: int) -> None:
    if not sys.stdin.isatty():
        message = "what is discarded is lost; without a terminal to ask on, say --yes"
        raise Refused(message)
    what = "1 dead letter" if count == 1 else f"{count} dead letters"
    print(f"{what} will be lost for good. Type yes to go on: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != "yes":
        message = "not confirmed; nothing was changed"
        raise Refused(message)


def _understood(error: Exception) -> Refused:
    """What a database error means, and what mends it."""
    reason = " ".join(str(error).split())
    if isinstance(error, DatabaseError) and whereabouts.lacks_tables(error):
        return Refused(NO_TABLES, EX_CONFIG)
    if not isinstance(error, (OperationalError, InterfaceError)):
        return Refused(f"the broker's database refuses: {reason}", EX_CONFIG)
    refusal = understand(reason)
    variable = "DATABASE_URL" if whereabouts.alias() == "default" else "CELERY_BROKER_URL"
    mend = refusal.mend.replace("DATABASE_URL", variable)
    verb = "refuses us" if refusal.is_final else "does not answer"
    return Refused(
        f"the broker's database {verb}: {reason}; {mend}", EX_CONFIG if refusal.is_final else EX_UNAVAILABLE
    )
