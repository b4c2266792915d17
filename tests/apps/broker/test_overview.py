"""What each queue holds: the figures of the admin and of `doorito queues`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps.broker import overview
from apps.broker.models import Delayed, Message, Session
from apps.broker.overview import QueueState
from tests.apps.broker.peer import Peer, lone_peer
from tests.system.stack import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def peer(transactional_db: None) -> Iterator[Peer]:
    with lone_peer() as peer:
        yield peer


def states() -> dict[str, QueueState]:
    return {state.name: state for state in overview.queues()}


def age(hours: int, **of: Any) -> None:
    """Let messages have been ready for so long."""
    Message.objects.filter(**of).update(ready_at=timezone.now() - timedelta(hours=hours))


def hours_of(queue: str) -> int:
    """For how many whole hours its oldest message has been ready."""
    oldest = states()[queue].oldest_s
    assert oldest is not None
    return int(oldest // 3600)


def test_an_empty_queue_is_listed() -> None:
    """By name, with nothing in it."""
    with lone_peer() as peer:
        peer.declare("b", "a")
        assert overview.queues() == [QueueState("a"), QueueState("b")]


def test_each_message_is_counted_once_where_it_is(peer: Peer) -> None:
    """Ready, delayed, with a consumer, given up; and the consumer."""
    peer.declare("q", "other")
    peer.send("q")
    peer.kill("q")
    for _ in range(4):
        peer.send("q")
    for _ in range(2):
        peer.send("q", countdown=3600)
    peer.take("q")
    peer.consume("q")
    found = states()
    assert found["q"]._replace(oldest_s=None) == QueueState(
        "q", ready=3, delayed=2, unacknowledged=1, consumers=1, dead=1
    )
    assert found["other"] == QueueState("other")


def test_what_is_due_and_nobody_has_fetched_waits_like_the_rest(peer: Peer) -> None:
    """Consumers move it over when they are there; without any it would be hidden just when it matters."""
    peer.declare("q")
    peer.send("q", countdown=3600)
    peer.send("q", countdown=3600)
    oldest = Delayed.objects.order_by("id").first()
    assert oldest
    Delayed.objects.filter(id=oldest.id).update(due_at=timezone.now() - timedelta(hours=3))
    assert states()["q"]._replace(oldest_s=None) == QueueState("q", ready=1, delayed=1)
    assert hours_of("q") == 3


def test_the_oldest_is_that_of_all_priorities(peer: Peer) -> None:
    """One of low priority may wait for long behind others."""
    peer.declare("q", **{"x-max-priority": 9})
    for priority in (9, 0, 5):
        peer.send("q", priority=priority)
    age(9, rank=0)
    age(5, rank=-5)
    assert hours_of("q") == 9


def test_what_fell_due_lately_does_not_hide_what_waits_for_long(peer: Peer) -> None:
    """It was published earlier, so it stands before."""
    peer.declare("q")
    peer.send("q")
    peer.send("q")
    first, second = Message.objects.order_by("id")
    age(9, id=second.id)
    age(0, id=first.id)
    assert hours_of("q") == 9


def test_what_comes_back_waits_anew(peer: Peer) -> None:
    """It was with a consumer until now."""
    peer.declare("q")
    peer.send("q")
    age(9)
    message = peer.take("q")
    assert states()["q"].oldest_s is None
    message.reject(requeue=True)
    assert hours_of("q") == 0


def test_an_expired_message_does_not_wait(peer: Peer) -> None:
    """Nobody will get it, though it is still there."""
    peer.declare("q")
    peer.publish("q", "late", properties={"expiration": "3600000"})
    peer.publish("q", "late", properties={"expiration": "3600000"})
    Message.objects.filter(id=Message.objects.earliest("id").id).update(expires_at=timezone.now())
    assert states()["q"].ready == 1
    Message.objects.update(expires_at=timezone.now())
    assert states()["q"] == QueueState("q")


def test_a_consumer_that_died_without_a_word_does_not_count(peer: Peer) -> None:
    """Its row stays until somebody looks; what it had is with nobody, and is told as unacknowledged."""
    peer.declare("q")
    peer.send("q")
    peer.take("q")
    peer.consume("q")
    session = Session.objects.get()
    assert overview.live_sessions() == {session.id}
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [session.backend_pid])
    wait_until("the session's end", lambda: not overview.live_sessions())
    assert states()["q"] == QueueState("q", unacknowledged=1)


def test_a_deleted_queue_is_told_while_it_has_dead_letters(peer: Peer) -> None:
    """Or nobody would look for them."""
    peer.declare("old")
    peer.send("old")
    peer.kill("old")
    peer.channel.queue_delete("old")
    assert overview.queues() == [QueueState("old", declared=False, dead=1)]
