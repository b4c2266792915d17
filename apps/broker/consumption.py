"""What a session's subscriptions want of the server, and what they got. Nothing here waits for anything.

A step is one statement and what to do with its rows; whatever was acknowledged meanwhile goes along with the
next claim.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from apps.broker import broadcast, sql
from apps.broker.chores import INTERVAL_S, Chores, Look
from apps.broker.readahead import KEPT_S, ReadAhead
from apps.broker.session import channel_of
from apps.broker.subscription import BATCH, Hot, Subscription

if TYPE_CHECKING:
    from apps.broker.message import Message
    from apps.broker.session import Session
    from apps.broker.wire import Row


class Step(NamedTuple):
    """One statement."""

    statement: str
    parameters: tuple[Any, ...]
    on_rows: Callable[[list[Row]], None]
    is_errand: bool = False  # whether it may take long, as a VACUUM may


class Consumption:
    """A session's subscriptions, what was claimed for them, and what is to be acknowledged."""

    def __init__(self, session: Session, max_deliveries: int) -> None:
        self.reads_ahead = False  # whether somebody comes by to let messages in later, or to give them back
        self._session = session
        self._chores = Chores(session, max_deliveries)
        self._subscriptions: deque[Subscription] = deque()
        self._queues: dict[str, str] = {}  # by notification channel
        self._hot = Hot()
        self._done: deque[int] = deque()  # acknowledged, not yet told to the server
        self._arrived: deque[tuple[Subscription, Message]] = deque()
        self._ahead: deque[tuple[Subscription, Row]] = deque()  # claimed, and waiting for room
        self._ahead_since = 0.0  # when one of them last left or came
        self._read_ahead = ReadAhead()
        self._missing: set[str] = set()  # queues that were deleted, and their consumers not told
        self._errand: str | None = None  # a statement that may take longer

    def __bool__(self) -> bool:
        """Whether there is a subscription."""
        return bool(self._subscriptions)

    # Subscriptions

    def add(self, subscription: Subscription) -> None:
        """Listen to its queue."""
        channel = channel_of(subscription.queue)
        self._queues[channel] = subscription.queue
        for each in (channel, sql.DUE_CHANNEL, sql.BOUND_CHANNEL):
            self._session.listen(each)
        self._subscriptions.append(subscription)
        self._hot.notified(subscription.queue, time.monotonic())

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
        if not self.claims:
            self.flush()  # Celery's loop ends next, while its tasks run on
        undelivered = [message for owner, message in self._arrived if owner is subscription]
        self._arrived = deque(pair for pair in self._arrived if pair[0] is not subscription)
        subscription.channel.give_back(undelivered, subscription.no_ack)

    @property
    def claims(self) -> bool:
        """Whether there will be a claim to tell acknowledgements with."""
        return any(not each.no_ack for each in self._subscriptions)

    # Acknowledgements

    def done(self, ids: list[int]) -> None:
        """Messages are acknowledged; the next step tells it to the server."""
        self._done.extend(ids)
        self._read_ahead.acknowledged(len(ids))

    def flush(self) -> None:
        """Tell the server now."""
        if done := self._take_done():
            self._session.run(sql.ACK, self._session.id, done)

    def _take_done(self) -> list[int]:
        done = []
        while self._done:
            done.append(self._done.popleft())
        return done

    # Deliveries

    @property
    def has_arrived(self) -> bool:
        """Whether there is something to deliver."""
        return bool(self._arrived)

    def deliver(self) -> None:
        """Hand the next message that has arrived to its consumer."""
        subscription, message = self._arrived.popleft()
        subscription.callback(message)

    def deliver_all(self) -> None:
        """Hand over all that there is room for."""
        self.cancel_missing()
        while self._arrived or self._admit():
            self.deliver()

    def cancel_missing(self) -> None:
        """Tell the consumers of deleted queues.

        Raises ConsumerCancelled where one has not said whom to tell.
        """
        while self._missing:
            queue = self._missing.pop()
            for subscription in [each for each in self._subscriptions if each.queue == queue]:
                subscription.channel.cancelled(subscription)

    def _arrive(self, subscription: Subscription, rows: Sequence[Row]) -> None:
        fresh = [
            (id_, redelivered, envelope, body)
            for id_, redelivered, expired, envelope, body, _ in rows
            if not expired
        ]
        if self.reads_ahead and subscription.is_active and not subscription.no_ack:
            self._ahead.extend((subscription, row) for row in fresh)
            self._ahead_since = time.monotonic()
            return
        messages = [subscription.channel.receive(subscription, *row) for row in fresh]
        if subscription.is_active:
            self._arrived.extend((subscription, message) for message in messages)
        else:
            subscription.channel.give_back(messages, subscription.no_ack)

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

    # What the server tells unasked

    def note_notifications(self) -> bool:
        """Whether there were any."""
        now = time.monotonic()
        notified = self._session.wire.notified()
        for channel, payload in notified:
            if channel == sql.DUE_CHANNEL:
                self._chores.due_at_epoch(float(payload))
            elif channel == sql.BOUND_CHANNEL:
                self._session.unbound.bound(payload)
            elif queue := self._queues.get(channel):
                self._note(queue, payload, now)
        return bool(notified)

    def _note(self, queue: str, payload: str, now: float) -> None:
        if content := broadcast.unpack(payload):
            heard = [each for each in self._subscriptions if each.queue == queue]
            self._arrived.extend((each, each.channel.hear(each, *content)) for each in heard)
        elif payload == sql.DELETED:
            self._missing.add(queue)
        else:
            self._hot.notified(queue, now)

    # Steps

    def next_step(self) -> Step | None:
        """What to run now, if anything."""
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
            return Step(sql.ACK, (self._session.id, done), _ignore) if done else None
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
            return Step(sql.TAKE, (queue, room, *position), arrived)
        if done:
            return Step(sql.ACK_AND_CLAIM, (self._session.id, queue, room, *position, done), arrived)
        return Step(sql.CLAIM, (self._session.id, queue, room, *position), arrived)

    def next_at(self, now: float) -> float:
        """When there may be a step without a word from the server."""
        if not self._subscriptions:
            return now + INTERVAL_S
        give_back = self._ahead_since + KEPT_S if self._ahead else None
        times = (self._chores.next_at(), self._hot.next_at(now), give_back)
        return min(at for at in times if at is not None)

    def look(self) -> bool:
        """Do the chores at once, unless somebody here did within the last second; whether it did."""
        now = time.monotonic()
        if now < self._chores.next_tick:
            return False
        self._chores.look_begins(now)
        me = self._session.id if self._session.is_registered else 0
        self._looked(self._session.run(sql.TICK, me, *self._asked()))
        if self._chores.next_due is not None and self._chores.next_due <= now:
            self._promoted(self._session.run(sql.PROMOTE))
        return True

    def _next_chore(self, now: float) -> Step | None:
        if errand := self._errand:
            self._errand = None
            return Step(errand, (), _ignore, is_errand=True)
        if self._chores.next_due is not None and now >= self._chores.next_due:
            return Step(sql.PROMOTE, (), self._promoted)
        if now >= self._chores.next_tick:
            self._chores.look_begins(now)
            return Step(sql.TICK, (self._session.id, *self._asked()), self._looked)
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
        if not self.reads_ahead or subscription.no_ack:
            return room
        target = self._read_ahead.target(now)
        wanted = room + target - len(self._ahead)
        return max(0, min(wanted, BATCH)) if room > len(self._ahead) or wanted * 2 >= target > 0 else 0


def _ignore(_: list[Row]) -> None:
    """Acknowledgements and errands have no answer."""
