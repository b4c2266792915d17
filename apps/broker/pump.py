"""Consuming: from the moment a queue may hold a message until the message is acknowledged.

In Celery's event loop nothing waits: one statement is under way, its answer is read when the socket has it,
and the next one takes along whatever was acknowledged meanwhile. Without a loop (`drain_events`) the same
steps wait.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from kombu.asynchronous import Hub

from apps.broker import broadcast, sql
from apps.broker.chores import INTERVAL_S, Chores, Look
from apps.broker.errors import ConnectionLost
from apps.broker.readahead import KEPT_S, ReadAhead
from apps.broker.session import Translated, channel_of
from apps.broker.subscription import BATCH, Hot, Subscription

if TYPE_CHECKING:
    from apps.broker.message import Message
    from apps.broker.session import Session
    from apps.broker.wire import Row

OnRows = Callable[[list["Row"]], None]


class Pump:
    """Delivers a session's messages to its subscriptions, and runs the chores in between."""

    def __init__(self, session: Session, max_deliveries: int) -> None:
        self._session = session
        self._chores = Chores(session, max_deliveries)
        self._subscriptions: deque[Subscription] = deque()
        self._claims = False  # whether any of them acknowledges
        self._queues: dict[str, str] = {}  # by notification channel
        self._hot = Hot()
        self._done: deque[int] = deque()  # acknowledged, not yet told to the server
        self._arrived: deque[tuple[Subscription, Message]] = deque()
        self._ahead: deque[tuple[Subscription, Row]] = deque()  # claimed, and waiting for room
        self._ahead_since = 0.0  # when one of them last left or came
        self._read_ahead = ReadAhead()
        self._on_rows: OnRows | None = None  # of the statement that is under way
        self._missing: set[str] = set()  # queues that were deleted, and their consumers not told
        self._is_over = False
        self._asked_at: float | None = None  # when it was sent, if its answer is due soon
        self._errand: str | None = None  # a statement that may take longer
        self._hub: Hub | None = None
        self._is_turn_planned = False
        self._wake_at: float | None = None
        session.before_statement = self._settle
        session.after_statement = self._note_notifications

    # Subscriptions

    def add(self, subscription: Subscription) -> None:
        """Listen to its queue, and deliver what comes."""
        channel = channel_of(subscription.queue)
        self._queues[channel] = subscription.queue
        for each in (channel, sql.DUE_CHANNEL, sql.BOUND_CHANNEL):
            self._session.listen(each)
        self._subscriptions.append(subscription)
        self._claims = self._claims or not subscription.no_ack
        self._hot.notified(subscription.queue, time.monotonic())
        self._plan_turn()

    def remove(self, subscription: Subscription) -> None:
        """What has arrived for it and was not delivered goes back."""
        subscription.is_active = False
        self._subscriptions.remove(subscription)
        if all(other.queue != subscription.queue for other in self._subscriptions):
            channel = channel_of(subscription.queue)
            self._queues.pop(channel, None)
            self._session.unlisten(channel)
        self._give_ahead_back(subscription)
        if not self._subscriptions:  # nobody reads what is told here
            self._session.unlisten(sql.DUE_CHANNEL)
            self._session.unlisten(sql.BOUND_CHANNEL)
        self._claims = any(not other.no_ack for other in self._subscriptions)
        if not self._claims:
            self.flush()  # Celery's loop ends next, while its tasks run on
        undelivered = [message for owner, message in self._arrived if owner is subscription]
        self._arrived = deque(pair for pair in self._arrived if pair[0] is not subscription)
        subscription.channel.give_back(undelivered, subscription.no_ack)

    def has_room(self) -> None:
        """A prefetch count was raised, or messages were given back: the next claim may bring something."""
        self._plan_turn()

    def look(self) -> bool:
        """Do the chores at once, unless somebody here did within the last second; whether it did."""
        now = time.monotonic()
        if now < self._chores.next_tick:
            return False
        self._chores.next_tick = now + INTERVAL_S
        me = self._session.id if self._session.is_registered else 0
        self._looked(self._session.run(sql.TICK, me, *self._asked()))
        if self._chores.next_due is not None and self._chores.next_due <= now:
            self._promoted(self._session.run(sql.PROMOTE))
        return True

    # With an event loop

    def attach(self, hub: Hub) -> None:
        self._hub = hub
        hub.add_reader(self._session.wire.fileno(), self._on_readable)
        self._plan_turn()

    def detach(self, hub: Hub) -> None:
        hub.remove_reader(self._session.wire.fileno())
        self._hub = None

    def end(self) -> None:
        """Turns that are planned do nothing any more; the loop may be another connection's by then."""
        if self._hub is not None:
            self.detach(self._hub)
        self._is_over = True

    @property
    def owes_word(self) -> bool:
        """Whether consumers were not told yet that their connection is lost."""
        return bool(self._subscriptions) and self._session.is_lost and not self._is_over

    @property
    def is_attached(self) -> bool:
        return self._hub is not None

    def waits_longer_than(self, limit_s: float) -> bool:
        """Whether the server owes an answer for so many seconds; a VACUUM may take its time."""
        return self._asked_at is not None and time.monotonic() - self._asked_at > limit_s

    def acknowledge(self, ids: list[int]) -> None:
        """Messages are done. Told to the server with the next claim, or now if there will be none."""
        if self._hub is not None and self._claims:
            self._done.extend(ids)
            self._read_ahead.acknowledged(len(ids))
            self._plan_turn()
        elif ids:
            self._session.run(sql.ACK, self._session.id, ids)

    def flush(self) -> None:
        """Tell the server what was acknowledged."""
        if done := self._take_done():
            self._session.run(sql.ACK, self._session.id, done)

    def _plan_turn(self) -> None:
        if self._hub is not None and not self._is_turn_planned:
            self._is_turn_planned = True
            self._hub.call_soon(self._planned_turn)

    def _planned_turn(self) -> None:
        self._is_turn_planned = False
        with self._told_once():
            self._note_notifications()  # those that came with the answer to somebody's statement
            self._turn()

    def _on_readable(self) -> None:
        with self._told_once():
            with self._session.lock, Translated(self._session):
                self._session.wire.read()
                self._note_notifications()
                if self._on_rows is not None and (rows := self._answer()) is not None:
                    self._finish(rows)
            self._deliver_all()
            self._turn()

    @contextlib.contextmanager
    def _told_once(self) -> Iterator[None]:
        """Consumers are told that the connection was lost, and not again by each turn that is planned."""
        try:
            yield
        except ConnectionLost:
            self.end()
            raise

    def _turn(self) -> None:
        """Start the next statement, unless one is under way."""
        if self._hub is None:
            return
        self._deliver_all()
        with self._session.lock:
            if not self._session.wire.is_waiting and (step := self._next_step()):
                statement, parameters, on_rows = step
                with Translated(self._session):
                    self._session.wire.send(statement, *parameters)
                self._on_rows = on_rows
                self._asked_at = None if on_rows is _ignore_errand else time.monotonic()
        if not self._session.wire.is_waiting:  # else the answer is what comes next
            self._sleep()

    def _sleep(self) -> None:
        """Have a turn when the next chore or second look is due."""
        now = time.monotonic()
        at = self._next_at(now)
        if self._hub is None or (self._wake_at is not None and self._wake_at <= at):
            return
        self._wake_at = at
        self._hub.call_later(max(0.0, at - now), self._woken, at)

    def _woken(self, at: float) -> None:
        if self._wake_at == at:
            self._wake_at = None
        with self._told_once():
            self._turn()

    def _settle(self) -> None:
        """Somebody wants to run a statement.

        Fetch the answer to ours first. It is delivered from the loop.
        """
        if self._on_rows is not None:
            while (rows := self._answer()) is None:
                self._session.wire.wait(None)
                self._session.wire.read()
            self._finish(rows)
            self._plan_turn()

    def _answer(self) -> list[Row] | None:
        try:
            return self._session.wire.answer()
        except BaseException:
            self._on_rows = None  # an error is an answer, too
            raise

    def _finish(self, rows: list[Row]) -> None:
        self._note_notifications()
        on_rows, self._on_rows, self._asked_at = self._on_rows, None, None
        if on_rows is not None:
            on_rows(rows)

    def _deliver_all(self) -> None:
        self._cancel_missing()
        while self._arrived or self._admit():
            self._deliver()

    def _admit(self) -> bool:
        """Let the next message in that was claimed ahead, if there is room for it now."""
        if not self._ahead or self._ahead[0][0].room() <= 0:
            return False
        subscription, row = self._ahead.popleft()
        self._ahead_since = time.monotonic()
        self._arrived.append((subscription, subscription.channel.receive(subscription, *row)))
        return True

    def _give_ahead_back(self, owner: Subscription | None = None) -> None:
        """Release what was claimed ahead: of one subscription, or all."""
        ids = [row[0] for subscription, row in self._ahead if owner in (None, subscription)]
        self._ahead = deque(pair for pair in self._ahead if owner not in (None, pair[0]))
        if ids:
            self._session.run(sql.RELEASE, self._session.id, ids, False)

    def _cancel_missing(self) -> None:
        """Tell the consumers of deleted queues.

        Raises ConsumerCancelled where one has not said whom to tell.
        """
        while self._missing:
            queue = self._missing.pop()
            for subscription in [each for each in self._subscriptions if each.queue == queue]:
                subscription.channel.cancelled(subscription)

    # Without one

    def drain(self, timeout_s: float | None) -> None:
        """Deliver one message. Raises TimeoutError when none comes in time; 0 does not wait."""
        with self._told_once():
            self._drain(timeout_s)

    def _drain(self, timeout_s: float | None) -> None:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._arrived:
            with self._session.lock:
                self._settle()
            self._cancel_missing()
            if step := self._next_step():
                statement, parameters, on_rows = step
                on_rows(self._session.run(statement, *parameters))
                continue
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                raise TimeoutError("timed out")
            until = self._next_at(now) if deadline is None else min(self._next_at(now), deadline)
            with Translated(self._session):
                self._session.wire.wait(max(0.0, until - now))
            with self._session.lock, Translated(self._session):
                if not self._session.wire.is_waiting:
                    self._session.wire.read()
                    self._note_notifications()
        self._deliver()

    # The steps

    def _next_step(self) -> tuple[str, tuple[Any, ...], OnRows] | None:
        if not self._subscriptions and not self._done:
            return None
        now = time.monotonic()
        if self._subscriptions and (chore := self._next_chore(now)):
            return chore
        if self._ahead and now >= self._ahead_since + KEPT_S:
            self._give_ahead_back()
        done = self._take_done()
        subscription, room = self._next_subscription(now)
        if subscription is None:
            return (sql.ACK, (self._session.id, done), _ignore) if done else None
        queue = subscription.queue
        position = self._hot.ask(queue, now)
        self._read_ahead.sent(now)

        def arrived(rows: list[Row]) -> None:
            self._read_ahead.answered(time.monotonic())
            is_full = len(rows) == room
            self._hot.answered(queue, now, position, (rows[-1][5], rows[-1][0]) if is_full else None)
            self._arrive(subscription, rows)

        if subscription.no_ack:
            self._done.extendleft(reversed(done))
            return sql.TAKE, (queue, room, *position), arrived
        if done:
            return sql.ACK_AND_CLAIM, (self._session.id, queue, room, *position, done), arrived
        return sql.CLAIM, (self._session.id, queue, room, *position), arrived

    def _next_chore(self, now: float) -> tuple[str, tuple[Any, ...], OnRows] | None:
        if errand := self._errand:
            self._errand = None
            return errand, (), _ignore_errand
        if self._chores.next_due is not None and now >= self._chores.next_due:
            return sql.PROMOTE, (), self._promoted
        if now >= self._chores.next_tick:
            self._chores.next_tick = now + INTERVAL_S
            return sql.TICK, (self._session.id, *self._asked()), self._looked
        return None

    def _asked(self) -> tuple[list[str], list[str]]:
        return list(self._queues.values()), self._session.unbound.exchanges()

    def _looked(self, rows: list[Row]) -> None:
        look = Look.of(rows[0])
        self._hot.known(look.waiting)
        self._missing.update(look.missing)
        self._errand = self._chores.looked(look)

    def _promoted(self, rows: list[Row]) -> None:
        [(count, ready)] = rows
        self._chores.promoted(count)
        self._hot.known(queue for queue in ready if queue in self._queues.values())

    def _next_subscription(self, now: float) -> tuple[Subscription | None, int]:
        """By turns, the next one to claim for, and how many messages."""
        for _ in range(len(self._subscriptions)):
            subscription = self._subscriptions[0]
            self._subscriptions.rotate(-1)
            is_worth_it = self._hot.is_worth_asking(subscription.queue, now)
            if is_worth_it and (room := self._room(subscription, now)) > 0:
                return subscription, room
        return None, 0

    def _room(self, subscription: Subscription, now: float) -> int:
        """How many messages to ask for: what may be delivered, and some ahead once half of those are gone."""
        room = subscription.room()
        if self._hub is None or subscription.no_ack:
            return room
        target = self._read_ahead.target(now)
        wanted = room + target - len(self._ahead)
        return max(0, min(wanted, BATCH)) if room > len(self._ahead) or wanted * 2 >= target > 0 else 0

    def _arrive(self, subscription: Subscription, rows: Sequence[Row]) -> None:
        fresh = [
            (id_, redelivered, envelope, body)
            for id_, redelivered, expired, envelope, body, _ in rows
            if not expired
        ]
        if self._hub is not None and subscription.is_active and not subscription.no_ack:
            self._ahead.extend((subscription, row) for row in fresh)
            self._ahead_since = time.monotonic()
            return
        messages = [subscription.channel.receive(subscription, *row) for row in fresh]
        if subscription.is_active:
            self._arrived.extend((subscription, message) for message in messages)
        else:
            subscription.channel.give_back(messages, subscription.no_ack)

    def _deliver(self) -> None:
        subscription, message = self._arrived.popleft()
        subscription.callback(message)

    def _take_done(self) -> list[int]:
        done = []
        while self._done:
            done.append(self._done.popleft())
        return done

    def _note_notifications(self) -> None:
        now = time.monotonic()
        for channel, payload in self._session.wire.notified():
            if channel == sql.DUE_CHANNEL:
                self._chores.due_at_epoch(float(payload))
            elif channel == sql.BOUND_CHANNEL:
                self._session.unbound.bound(payload)
            elif queue := self._queues.get(channel):
                self._note(queue, payload, now)
            self._plan_turn()

    def _note(self, queue: str, payload: str, now: float) -> None:
        if content := broadcast.unpack(payload):
            heard = [each for each in self._subscriptions if each.queue == queue]
            self._arrived.extend((each, each.channel.hear(each, *content)) for each in heard)
        elif payload == sql.DELETED:
            self._missing.add(queue)
        else:
            self._hot.notified(queue, now)

    def _next_at(self, now: float) -> float:
        """When there may be something to do without a word from the server."""
        if not self._subscriptions:
            return now + INTERVAL_S
        give_back = self._ahead_since + KEPT_S if self._ahead else None
        times = (self._chores.next_at(), self._hot.next_at(now), give_back)
        return min(at for at in times if at is not None)


def _ignore(_: list[Row]) -> None:
    """Acknowledgements have no answer."""


def _ignore_errand(_: list[Row]) -> None:
    """Nor has what may take longer."""
