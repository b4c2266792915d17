"""Statements that are held up midway by somebody else's transaction, and then go on, or die."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from apps.broker import chores, sql
from apps.broker.errors import ConnectionLost
from apps.broker.subscription import START
from tests.apps.broker.ledger import MAX_DELIVERIES, Place
from tests.apps.broker.nursery import Client
from tests.apps.broker.play import SESSIONS, Play
from tests.apps.broker.stage import QUEUES

seats = st.integers(0, SESSIONS - 1)
names = st.sampled_from(QUEUES)
counts = st.integers(1, 4)
picks = st.sets(st.integers(0, 3), min_size=1)

nothing_is_held_up = precondition(lambda self: self.held is None)
somebody_has_something = precondition(lambda self: self.owners())


class Midway(Play):
    """At most one statement is held up; what the others do meanwhile must not depend on it."""

    @nothing_is_held_up
    @rule(seat=seats, queue=names, count=counts)
    def hold_up_a_claim(self, seat: int, queue: str, count: int) -> None:
        queue = self.filled(queue)
        client, wanted = self.client(seat), self.first(queue, count)
        call = (client.run, sql.CLAIM, client.id, queue, count, *START)
        # What has expired arrives nowhere, and cannot be held up.
        stuck = sorted(wanted, key=lambda message: message.is_expired)
        if stuck and not stuck[0].is_expired:
            self.hold_up(
                client, Place.DELIVERED, stuck, lambda rows: self.claimed(client, wanted, rows), call
            )

    @nothing_is_held_up
    @somebody_has_something
    @rule(seat=seats, some=picks)
    def hold_up_an_acknowledgement(self, seat: int, some: set[int]) -> None:
        client = self.owner(seat)
        done = self.chosen(client, some)
        call = (client.run, sql.ACK, client.id, self.ids_of(done))
        self.hold_up(client, Place.GONE, done, lambda _: self.ended(done), call)

    @nothing_is_held_up
    @somebody_has_something
    @rule(seat=seats, some=picks)
    def hold_up_a_requeue(self, seat: int, some: set[int]) -> None:
        client = self.owner(seat)
        back = self.chosen(client, some)
        call = (client.run, sql.RELEASE, client.id, self.ids_of(back), True)
        self.hold_up(client, Place.READY, back, lambda _: self.returned(back, redelivered=True), call)

    @precondition(lambda self: self.held is None and self.ledger.due())
    @rule(seat=seats)
    def hold_up_a_promotion(self, seat: int) -> None:
        client, due = self.client(seat), self.ledger.due()
        call = (client.run, sql.PROMOTE)
        self.hold_up(client, Place.READY, due, lambda _: self.ledger.promote(due), call)

    @precondition(lambda self: self.held is None and any(map(self.ledger.held_by, self.over)))
    @rule(seat=seats)
    def hold_up_a_reaper(self, seat: int) -> None:
        client = self.client(seat)
        over = sorted(self.look(client).dead)
        back = [message for id_ in over for message in self.ledger.held_by(id_)]
        place = Place.READY if back[0].deaths + 1 < MAX_DELIVERIES else Place.DEAD
        call = (chores.reap, client, over, MAX_DELIVERIES)
        self.hold_up(client, place, back, lambda _: self.reaped(over), call, reaped=over)

    @precondition(lambda self: self.held is not None)
    @rule()
    def go_on(self) -> None:
        """Nothing holds the statement up any more."""
        held = self.let_go()
        if not held.is_killed:
            held.through(self.outcome(held.answer, held.client))
            return
        self.stage.until_gone(held.client.backend_pid)
        if not held.reaped:  # nobody is left to end the reaper's transaction
            held.through(None)
        self.left(held.client)

    @precondition(lambda self: self.held is not None and not self.held.is_killed)
    @rule()
    def die_midway(self) -> None:
        """What a terminated backend had begun is undone.

        One whose client was killed goes on once it can: it notices when it answers. Until then it lives.
        """
        assert self.held
        client, answer = self.held.client, self.held.answer
        if isinstance(client, Client):
            client.kill()
            with pytest.raises((EOFError, ConnectionError)):
                answer.result()
            self.held.is_killed = True
            self.clients[0] = self.join(0)
            return
        self.stage.terminate(client.backend_pid)
        self.stage.until_gone(client.backend_pid)
        with pytest.raises(ConnectionLost):
            answer.result()
        self.let_go()
        self.left(client)
