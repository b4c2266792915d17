"""`manage.py queues`, which `doorito queues` becomes."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from apps.broker import overview
from apps.broker.models import DeadLetter, Message
from tests.apps.broker.peer import REASON, Peer, lone_peer

Captured = pytest.CaptureFixture[str]


class Queues:
    """Runs the command, as somebody at a terminal or without one."""

    def __init__(self, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: object, typed: str | None = None) -> tuple[int, str, str]:
        """Exit status, what was said, and what was said of errors; `typed` at a terminal."""
        given = io.StringIO(typed or "")
        given.isatty = lambda: typed is not None  # type: ignore[method-assign]
        self._monkeypatch.setattr(sys, "stdin", given)
        self._capsys.readouterr()
        status: Any = 0
        try:
            call_command("queues", *map(str, arguments))
        except SystemExit as end:
            status = end.code
        said = self._capsys.readouterr()
        return status, said.out, said.err


@pytest.fixture
def queues(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> Queues:
    return Queues(capsys, monkeypatch)


@pytest.fixture
def peer(transactional_db: None) -> Iterator[Peer]:
    with lone_peer() as peer:
        peer.declare("q")
        yield peer


def test_queues_are_a_line_each(peer: Peer, queues: Queues) -> None:
    """And an object each for machines."""
    peer.send("q")
    Message.objects.update(ready_at=timezone.now() - timedelta(hours=30))
    status, said, why = queues()
    assert (status, why) == (0, "")
    assert said.splitlines() == [
        "QUEUE  READY  DELAYED  UNACKED  OLDEST  CONSUMERS  DEAD",
        "q          1        0        0   1d 6h          0     0",
    ]
    status, said, _ = queues("--json")
    [fact] = json.loads(said)["queues"]
    assert status == 0
    assert fact.pop("oldest_s") >= 30 * 3600
    assert fact == {
        "name": "q", "declared": True, "ready": 1, "delayed": 0, "unacknowledged": 0, "consumers": 0,
        "dead": 0,
    }  # fmt: skip


def test_dead_letters_are_listed_newest_first(peer: Peer, queues: Queues) -> None:
    """Of one queue or of all; what a limit leaves out is said."""
    peer.declare("other")
    for queue in ("q", "q", "other"):
        id_ = peer.send(queue)
        peer.kill(queue)
    ids = list(DeadLetter.objects.order_by("-id").values_list("id", flat=True))
    status, said, _ = queues("dead", "--json")
    facts = json.loads(said)
    assert (status, facts["total"]) == (0, 3)
    assert [fact["id"] for fact in facts["dead_letters"]] == ids
    newest = facts["dead_letters"][0]
    assert [newest[name] for name in ("queue", "task", "task_id", "deaths", "last_reason")] == [
        "other", "shop.pack", id_, 1, REASON,
    ]  # fmt: skip
    status, said, left = queues("dead", "q", "--limit", 1)
    heads, line = said.splitlines()
    assert heads.split() == ["ID", "QUEUE", "TASK", "DEATHS", "GIVEN", "UP", "LAST", "REASON"]
    assert line.split()[:4] == [str(ids[1]), "q", "shop.pack", "1"]
    assert line.endswith(REASON)
    assert left == "doorito: 1 older ones are not shown; see --limit\n"
    assert (status, json.loads(queues("dead", "q", "--json")[1])["total"]) == (0, 2)


def test_a_misspelt_queue_is_a_wrong_use(peer: Peer, queues: Queues) -> None:
    """Else it would look as if there were no dead letters."""
    for arguments in (["dead", "Q"], ["requeue", "--all", "Q"], ["discard", "--all", "Q", "--yes"]):
        assert queues(*arguments) == (64, "", "doorito: there is no queue 'Q'; there are q\n")


def test_letters_are_put_back(peer: Peer, queues: Queues) -> None:
    """By their ids; what is not there is said, and is exit status 1."""
    peer.send("q")
    [id_] = peer.kill("q")
    assert queues("requeue", id_, id_) == (0, "requeued: 1\n", "")  # however often it is named
    assert Message.objects.get().id == id_
    left = f"doorito: {id_}: no such dead letter, or no longer\n"
    assert queues("requeue", id_) == (1, "requeued: 0\n", left)
    facts = {"requeued": [], "left": {str(id_): "no such dead letter, or no longer"}}
    status, said, _ = queues("requeue", id_, "--json")
    assert (status, json.loads(said)) == (1, facts)


def test_all_letters_of_a_queue_are_put_back(peer: Peer, queues: Queues) -> None:
    """Other queues' stay; none at all is no error."""
    peer.declare("other")
    for queue in ("q", "q", "other"):
        peer.send(queue)
        peer.kill(queue)
    assert queues("requeue", "--all", "q") == (0, "requeued: 2\n", "")
    assert DeadLetter.objects.get().queue == "other"
    assert queues("requeue", "--all", "q") == (0, "requeued: 0\n", "")


def test_a_letter_whose_queue_is_gone_is_left(peer: Peer, queues: Queues) -> None:
    """With the reason."""
    peer.send("q")
    [id_] = peer.kill("q")
    peer.channel.queue_delete("q")
    left = f"doorito: {id_}: left as it is, since its queue 'q' no longer exists\n"
    assert queues("requeue", "--all", "q") == (1, "requeued: 0\n", left)
    assert "q (deleted)" in queues()[1]
    assert queues("discard", "--all", "q", "--yes") == (0, "discarded: 1\n", "")


@pytest.mark.parametrize("typed", [None, "", "y\n", "no\n"])
def test_nothing_is_discarded_unasked(typed: str | None, peer: Peer, queues: Queues) -> None:
    """Without a terminal nobody can be asked."""
    peer.send("q")
    status, said, why = queues("discard", *peer.kill("q"), typed=typed)
    assert (status, said) == (64, "")
    assert ("--yes" if typed is None else "1 dead letter will be lost for good. Type yes") in why
    assert DeadLetter.objects.count() == 1


def test_a_discard_is_confirmed(peer: Peer, queues: Queues) -> None:
    """By yes, or by --yes."""
    for _ in range(2):
        peer.send("q")
    first, second = peer.kill("q", times=2)
    assert queues("discard", first, typed="yes\n")[:2] == (0, "discarded: 1\n")
    assert queues("discard", first, second, "--yes") == (
        1, "discarded: 1\n", f"doorito: {first}: no such dead letter, or no longer\n",
    )  # fmt: skip
    assert not DeadLetter.objects.exists()


@pytest.mark.django_db
def test_missing_tables_are_named_with_the_command(queues: Queues) -> None:
    """78: somebody has to do something."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE broker_queue RENAME TO elsewhere")
        status, said, why = queues()
    assert (status, said) == (78, "")
    assert why == "doorito: the broker's database lacks its tables; run: doorito broker migrate\n"


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (OperationalError("connection refused"), 69, "does not answer: connection refused; start the server"),
        (InterfaceError("the connection is closed"), 69, "does not answer: the connection is closed; mend"),
        (OperationalError('password authentication failed for user "x"'), 78, "refuses us: password"),
    ],
)
def test_a_database_that_is_away_is_named(
    error: Exception, status: int, said: str, queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """69, or 78 where waiting would not help."""

    def fail() -> None:
        raise error

    monkeypatch.setattr(overview, "queues", fail)
    found = queues()
    assert found[:2] == (status, "")
    assert found[2].startswith(f"doorito: the broker's database {said}")
