"""The ownership protocol as a machine: sessions publish, claim, acknowledge, reject, die and reap.

After each step the tables must hold exactly what the ledger says. Statements are the production ones, and
the functions around them where there are any. What comes of two sessions that do something at the same
moment is chance, and no later step may depend on it; what one does in the middle of another's statement is
none: see `midway`.
"""

from __future__ import annotations

import sys
from collections import Counter
from threading import Barrier
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from apps.broker import chores, queues, sql
from apps.broker.chores import Chores, Look
from apps.broker.publisher import Line
from apps.broker.session import Session
from apps.broker.subscription import START
from tests.apps.broker.ledger import MAX_DELIVERIES, Message, Place, Row
from tests.apps.broker.midway import (
    Midway,
    counts,
    names,
    nothing_is_held_up,
    picks,
    seats,
    somebody_has_something,
)
from tests.apps.broker.nursery import Client
from tests.apps.broker.play import SESSIONS, AnyClient, Draft, delivered, lost, publisher, session_of, tick
from tests.apps.broker.stage import QUEUES, Local

MANY: Final = 4  # messages; with fewer, deletions would leave little to play with

drafts = st.tuples(names, st.integers(0, 3), st.booleans(), st.sampled_from([False, False, True]))
words = st.sampled_from(["kill", "terminate", "close"])


class Protocol(Midway):
    """The rules."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[Message] = []  # in the open transaction
        self.seen_over: list[int] = []  # sessions, in an earlier look

    def teardown(self) -> None:
        try:
            if sys.exception() is None:
                self.everything_comes_out()
        finally:
            super().teardown()

    # Publishing

    @initialize(several=st.lists(drafts, min_size=5, max_size=12), count=st.integers(0, 2))
    def begin(self, several: list[Draft], count: int) -> None:
        """There is something to do, and most have something already."""
        self.publish_many(0, several)
        self.the_tables_hold_what_the_ledger_says()
        for seat in range(SESSIONS if count else 0):
            self.claim(seat, QUEUES[seat % 2], count, goes_on=False)

    @rule(seat=seats, draft=drafts)
    def publish(self, seat: int, draft: Draft) -> None:
        client, (message, letter) = self.client(seat), self.write(draft)
        assert self.do(client, publisher(client).publish, letter) == 1
        self.ledger.commit([message])

    @rule(seat=seats, several=st.lists(drafts, min_size=1, max_size=6))
    def publish_many(self, seat: int, several: list[Draft]) -> None:
        client, written = self.client(seat), [self.write(draft) for draft in several]
        lines = [Line.of(letter.message, letter.routing_key) for _, letter in written]
        taken = self.do(client, publisher(client).publish_many, lines)
        assert taken == Counter(line.queue for line in lines)
        self.ledger.commit(message for message, _ in written)

    @rule(draft=drafts)
    def publish_in_a_transaction(self, draft: Draft) -> None:
        """It has its age from now on, and is there once the transaction commits."""
        if self.writer is None:
            self.writer = Session(self.stage.engine)
            self.writer.run("BEGIN")
        message, letter = self.write(draft)
        self.written.append(message)
        assert publisher(self.writer).publish(letter) == 1

    @precondition(lambda self: self.writer is not None)
    @rule(word=st.sampled_from(["COMMIT", "COMMIT", "ROLLBACK", "die"]))
    def end_the_transaction(self, word: str) -> None:
        assert self.writer
        written, self.written = self.written, []
        if word == "die":
            self.stage.terminate(self.writer.wire.backend_pid)
            self.writer.abandon()
        else:
            self.writer.run(word)
            self.writer.close()
        self.writer = None
        self.ledger.commit(written) if word == "COMMIT" else self.ledger.end(written)

    # Claiming and acknowledging

    @rule(seat=seats, queue=names, count=counts, goes_on=st.booleans())
    def claim(self, seat: int, queue: str, count: int, goes_on: bool) -> None:
        """From the start, or from where the last claim ended."""
        client = self.client(seat)
        queue = self.filled(queue)
        after = self.position(client, queue, goes_on)
        rows = self.run(client, sql.CLAIM, client.id, queue, count, *after)
        self.claimed(client, self.first(queue, count, after), rows)

    @somebody_has_something
    @rule(seat=seats, queue=names, count=counts, goes_on=st.booleans(), some=picks)
    def acknowledge_and_claim(self, seat: int, queue: str, count: int, goes_on: bool, some: set[int]) -> None:
        client = self.owner(seat)
        queue = self.filled(queue)
        done, after = self.chosen(client, some), self.position(client, queue, goes_on)
        rows = self.run(client, sql.ACK_AND_CLAIM, client.id, queue, count, *after, self.ids_of(done))
        self.ended(done)
        self.claimed(client, self.first(queue, count, after), rows)

    @rule(seat=seats, queue=names, count=counts)
    def take(self, seat: int, queue: str, count: int) -> None:
        """Without acknowledgement."""
        queue = self.filled(queue)
        rows = self.run(self.client(seat), sql.TAKE, queue, count, *START)
        messages = self.first(queue, count)
        assert delivered(rows) == self.ledger.take(messages)
        self.hands.finished(message.number for message in messages)

    @rule(seat=seats, queue=names, one=counts, two=counts)
    def claim_together(self, seat: int, queue: str, one: int, two: int) -> None:
        """Two sessions at the same moment: between them they get what is first, each its part in order.

        Who got it makes no difference later: one half is acknowledged, the other one returns.
        """
        queue = self.filled(queue)
        pair, first = self.two(seat), self.first(queue, one + two)
        barrier = Barrier(2)

        def claim(client: AnyClient, count: int) -> Any:
            barrier.wait()
            return client.run(sql.CLAIM, client.id, queue, count, *START)

        started = [self.stage.start(claim, *each) for each in zip(pair, (one, two), strict=True)]
        answers = [self.outcome(answer, client) for answer, client in zip(started, pair, strict=True)]
        parts = [[each.number for each in delivered(rows)] for rows in answers]
        assert sorted(parts[0] + parts[1]) == sorted(message.number for message in first)
        for client, part, rows in zip(pair, parts, answers, strict=True):
            self.claimed(client, [message for message in first if message.number in part], rows)
            self.positions.pop((client.id, queue), None)
            mine = [message for message in first if message.owner == client.id]
            self._acknowledge(client, [message for message in mine if message.number % 2])
            self._requeue(client, [message for message in mine if not message.number % 2], redelivered=True)

    @somebody_has_something
    @rule(seat=seats, some=picks)
    def acknowledge(self, seat: int, some: set[int]) -> None:
        client = self.owner(seat)
        self._acknowledge(client, self.chosen(client, some))

    def _acknowledge(self, client: AnyClient, done: list[Message]) -> None:
        assert self.run(client, sql.ACK, client.id, self.ids_of(done)) == [(len(done),)]
        self.ended(done)

    @somebody_has_something
    @rule(seat=seats, some=picks, redelivered=st.booleans())
    def requeue(self, seat: int, some: set[int], redelivered: bool) -> None:
        """Rejected, or given back unseen."""
        client = self.owner(seat)
        self._requeue(client, self.chosen(client, some), redelivered)

    def _requeue(self, client: AnyClient, back: list[Message], redelivered: bool) -> None:
        self.run(client, sql.RELEASE, client.id, self.ids_of(back), redelivered)
        self.returned(back, redelivered)

    @somebody_has_something
    @rule(seat=seats, pick=st.integers(0, 3))
    def lose_a_pool_process(self, seat: int, pick: int) -> None:
        client = self.owner(seat)
        [message] = self.chosen(client, [pick])
        self.run(client, *lost(client, self.ids[message.number]))
        self.ledger.die([message])
        self.hands.returned([message.number])

    @rule(seat=seats, pick=st.integers(0, 9))
    def speak_of_what_is_not_ones_own(self, seat: int, pick: int) -> None:
        """Somebody else has it, perhaps since one's own end; or it waits, or is done. Nothing changes."""
        known = self.ledger.at(Place.DELIVERED) or [m for m in self.ledger.messages if m.number in self.ids]
        if not known:
            return
        message = known[pick % len(known)]
        [client, *_] = [each for each in self.two(seat) if each.id != message.owner]
        id_ = self.ids[message.number]
        answers = [
            self.run(client, sql.ACK, client.id, [id_]),
            self.run(client, sql.RELEASE, client.id, [id_], True),
            self.run(client, *lost(client, id_)),
        ]
        assert answers == [[(0,)], [], [([], None)]], "somebody else's message was touched"

    # Dying and reaping

    @rule(seat=seats, word=words)
    def die(self, seat: int, word: str) -> None:
        """SIGKILL where the client is a process. Who closes in good order leaves no row behind."""
        self._die(self.owner(seat) if self.owners() else self.client(seat), word)

    def _die(self, client: AnyClient, word: str) -> None:
        if isinstance(client, Client) and word != "terminate":
            client.kill()
        elif isinstance(client, Local) and word == "close":
            client.session.close()
            self.registered.discard(client.id)
        else:
            self.stage.terminate(client.backend_pid)
        self.stage.until_gone(client.backend_pid)
        self.left(client)

    @rule(seat=seats)
    def tick(self, seat: int) -> None:
        """Look for sessions that are over, and return what they had."""
        client = self.client(seat)
        look = self.look(client)
        self.do(client, Chores(session_of(client), MAX_DELIVERIES).looked, look)
        self.reaped(look.dead)
        left = [row for row, _ in self.stage.rows() if row.owner in look.dead]
        assert not left, f"with sessions that are over: {left}"

    @rule(seat=seats)
    def look_only(self, seat: int) -> None:
        self.seen_over = self.look(self.client(seat)).dead

    @precondition(lambda self: self.seen_over)
    @rule(seat=seats)
    def reap_what_was_seen_earlier(self, seat: int) -> None:
        """Another session may have done it since."""
        client = self.client(seat)
        self.do(client, chores.reap, client, self.seen_over, MAX_DELIVERIES)
        self.reaped(set(self.seen_over) & set(self.reapable()))

    @rule(seat=seats)
    def reap_together(self, seat: int) -> None:
        """Two sessions at the same moment: each message returns once."""
        pair = self.two(seat)
        barrier = Barrier(2)

        def reap(client: AnyClient) -> None:
            barrier.wait()
            look = Look.of(client.run(*tick(client))[0])
            Chores(session_of(client), MAX_DELIVERIES).looked(look)

        started = [self.stage.start(reap, client) for client in pair]
        for answer, client in zip(started, pair, strict=True):
            self.outcome(answer, client)
        self.reaped(self.reapable())

    @rule(seat=seats)
    def reap_the_living(self, seat: int) -> None:
        """Whoever wrongly takes a session for dead is stopped by its lock."""
        one, other = self.two(seat)
        self.do(one, chores.reap, one, [other.id], MAX_DELIVERIES)

    @precondition(lambda self: self.ledger.at(Place.DEAD))
    @rule(seat=seats, are_kept=st.booleans())
    def settle_dead_letters(self, seat: int, are_kept: bool) -> None:
        """Put back or discarded, as an operator decides."""
        client, letters = self.client(seat), self.ledger.at(Place.DEAD)
        ids = self.ids_of(letters)
        if are_kept:
            answers = self.run(client, sql.REQUEUE, ids)
            assert {id_ for id_, _, is_moved, _ in answers if is_moved} == set(ids)
            self.ledger.put_back(letters)
        else:
            self.run(client, sql.DISCARD, ids)
            self.ended(letters)

    # Time, and the end of queues

    @rule(seat=seats)
    def promote(self, seat: int) -> None:
        due = self.ledger.due()
        [(count, _)] = self.run(self.client(seat), sql.PROMOTE)
        assert count == len(due)
        self.ledger.promote(due)

    @precondition(lambda self: self.held is None and self.ledger.can_pass_time())
    @rule(modulus=st.integers(1, 4))
    def let_time_pass(self, modulus: int) -> None:
        """For some messages: delayed ones become due, others expire."""
        self.stage.pass_time(self.ids_of(self.ledger.pass_time(modulus)))

    @precondition(lambda self: self.held is None and len(self.ledger.at(Place.READY)) > MANY)
    @rule(seat=seats, queue=names)
    def purge(self, seat: int, queue: str) -> None:
        """Consumers keep what they have."""
        self.run(self.client(seat), sql.PURGE, queue)
        self.ended(self.ledger.at(Place.READY, queue=queue))

    @nothing_is_held_up
    @rule(seat=seats)
    def drop_what_expired(self, seat: int) -> None:
        """Maintenance does, where nobody claims."""
        expired = self.ledger.at(Place.READY, is_expired=True)
        assert self.run(self.client(seat), sql.DROP_EXPIRED) == [(len(expired),)]
        self.ended(expired)

    @precondition(lambda self: self.held is None and len(self.ledger.at(Place.DELIVERED)) > MANY)
    @rule(seat=seats, queue=names)
    def delete(self, seat: int, queue: str) -> None:
        """What consumers have of it goes too; their acknowledgements then do nothing."""
        client = self.client(seat)
        self.do(client, queues.delete, client, [queue])
        self.stage.declare(queue)
        for place in (Place.READY, Place.DELAYED, Place.DELIVERED):
            self.ended(self.ledger.at(place, queue=queue))

    # What must hold

    @invariant()
    def the_tables_hold_what_the_ledger_says(self) -> None:
        """Each message is in one table, and with one session at most; what was acknowledged is in none."""
        found = self.stage.rows()
        rows, wanted = [row for row, _ in found], self.ledger.rows()
        assert rows == wanted, f"too many: {_more(rows, wanted)}; missing: {_more(wanted, rows)}"
        for row, id_ in found:
            assert self.ids.setdefault(row.number, id_) == id_, f"{row} has another id than before"
        ids = [self.ids[number] for number in sorted(self.ids)]
        assert ids == sorted(ids), "ids are not in the order of publication"

    @invariant()
    def there_is_a_row_of_each_session_that_is_not_reaped(self) -> None:
        assert self.stage.sessions() == self.registered, (
            "not the rows of the living, or of sessions that are over"
        )

    def everything_comes_out(self) -> None:
        """When everybody has died, one more session finds each message that is not done."""
        if self.held:
            self.go_on()
        if self.writer:
            self.end_the_transaction("COMMIT")
        self.the_tables_hold_what_the_ledger_says()
        everybody, self.clients = self.clients, [self.join(SESSIONS)]
        for client in everybody:
            self._die(client, "kill")
        self.tick(0)
        self.stage.pass_time(self.ids_of(self.ledger.pass_time(1)))
        self.promote(0)
        for queue in QUEUES:
            self.claim(0, queue, len(self.ledger.messages), goes_on=False)
        if self.owners():
            self.acknowledge(0, set(range(len(self.ledger.messages))))
        assert {row.place for row, _ in self.stage.rows()} <= {Place.DEAD}


def _more(some: list[Row], others: list[Row]) -> list[Row]:
    return list((Counter(some) - Counter(others)).elements())
