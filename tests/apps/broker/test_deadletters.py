"""Dead letters, put back and discarded."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection, transaction

from apps.broker import deadletters
from apps.broker.deadletters import Requeued
from apps.broker.models import DeadLetter, Message
from tests.apps.broker.peer import REASON, Peer, lone_peer
from tests.system.stack import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

WAITS_FOR_US = "SELECT count(*) FROM pg_locks WHERE NOT granted AND transactionid = pg_current_xact_id()::xid"


@pytest.fixture
def peer(transactional_db: None) -> Iterator[Peer]:
    with lone_peer() as peer:
        peer.declare("q", **{"x-max-priority": 9})
        yield peer


def test_a_letter_goes_back_as_it_was(peer: Peer) -> None:
    """To its old place, marked as redelivered, its deaths forgotten and their history kept."""
    peer.send("q", args=[1], priority=3)
    [id_] = peer.kill("q")
    dead = DeadLetter.objects.get()
    assert (dead.deaths, dead.redelivered) == (1, True)
    assert deadletters.requeue([id_]) == Requeued([id_], {}, [])
    assert not DeadLetter.objects.exists()
    back = Message.objects.get()
    assert (back.id, back.queue, back.rank, back.deaths) == (id_, "q", -3, 0)
    assert (back.envelope, bytes(back.body)) == (dead.envelope, bytes(dead.body))
    assert back.history == dead.history
    assert [one["reason"] for one in back.history or []] == [REASON]
    message = peer.take("q")
    assert message.delivery_info["redelivered"] is True
    assert message.payload[0] == [1]


def test_its_history_goes_on_when_it_dies_again(peer: Peer) -> None:
    """So that the next reader knows how often it was tried."""
    peer.send("q")
    deadletters.requeue(peer.kill("q"))
    peer.kill("q")
    dead = DeadLetter.objects.get()
    assert (dead.deaths, len(dead.history or [])) == (1, 2)


def test_a_waiting_consumer_is_woken(peer: Peer) -> None:
    """It hears of the queue, and need not look by itself."""
    peer.send("q")
    ids = peer.kill("q")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 'broker_' || md5('q')")
        [channel] = cursor.fetchone()
        cursor.execute(f"LISTEN {channel}")
        deadletters.requeue(ids)
        assert connection.connection
        [heard] = connection.connection.notifies(timeout=30, stop_after=1)
        cursor.execute("UNLISTEN *")
    assert (heard.channel, heard.payload) == (channel, "")


def test_its_time_to_live_begins_anew(peer: Peer) -> None:
    """Else it would be gone before anybody took it."""
    peer.publish("q", "x", properties={"expiration": "3600000"})
    ids = peer.kill("q")
    dead = DeadLetter.objects.get()
    deadletters.requeue(ids)
    expires_at = Message.objects.get().expires_at
    assert expires_at
    assert expires_at > dead.died_at + timedelta(hours=1)


def test_twice_is_once(peer: Peer) -> None:
    """The second time there is no such letter."""
    peer.send("q")
    [id_] = peer.kill("q")
    assert deadletters.requeue([id_, id_]).moved == [id_]
    assert deadletters.requeue([id_]) == Requeued([], {}, [id_])
    assert Message.objects.count() == 1


def test_two_at_once_put_back_one(peer: Peer) -> None:
    """The second waits for the first, and finds nothing."""
    peer.send("q")
    [id_] = peer.kill("q")
    seconds: list[Requeued] = []

    def second() -> None:
        seconds.append(deadletters.requeue([id_]))
        connection.close()

    other = threading.Thread(target=second)
    try:
        with transaction.atomic():
            assert deadletters.requeue([id_]).moved == [id_]
            other.start()
            wait_until("the second one's wait", lambda: _count(WAITS_FOR_US) == 1)
    finally:
        other.join()
    assert seconds == [Requeued([], {}, [id_])]
    assert Message.objects.count() == 1


def test_a_letter_without_a_queue_stays(peer: Peer) -> None:
    """Others go back; the queue's name says what to declare."""
    peer.declare("old")
    peer.send("old")
    [homeless] = peer.kill("old")
    peer.channel.queue_delete("old")
    peer.send("q")
    [moved] = peer.kill("q")
    assert deadletters.requeue([homeless, moved]) == Requeued([moved], {homeless: "old"}, [])
    assert DeadLetter.objects.get().id == homeless
    peer.declare("old")
    assert deadletters.requeue([homeless]).moved == [homeless]


def test_many_go_in_parts(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement has a bounded number of them."""
    monkeypatch.setattr(deadletters, "AT_ONCE", 2)
    for _ in range(5):
        peer.send("q")
    ids = peer.kill("q", times=5)
    assert deadletters.ids_of("q") == ids
    assert deadletters.discard(ids[:3]) == ids[:3]
    assert deadletters.requeue(ids) == Requeued(ids[3:], {}, ids[:3])


def test_what_is_discarded_is_gone(peer: Peer) -> None:
    """And told once."""
    peer.send("q")
    ids = peer.kill("q")
    assert deadletters.discard(ids) == ids
    assert deadletters.discard(ids) == []
    assert not DeadLetter.objects.exists()
    assert not Message.objects.exists()


def _count(statement: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.fetchone()[0])
