"""Runs the steps of a session's consumption, one statement at a time.

In Celery's event loop nothing waits: one statement is under way, its answer is read when the socket has it,
and then comes the next. Without a loop (`drain_events`) the same steps wait.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kombu.asynchronous import Hub

from apps.broker import sql
from apps.broker.consumption import Consumption, Step
from apps.broker.errors import ConnectionLost
from apps.broker.session import Translated

if TYPE_CHECKING:
    from apps.broker.session import Session
    from apps.broker.subscription import Subscription
    from apps.broker.wire import Row


class Pump:
    """Delivers a session's messages to its subscriptions, and runs the chores in between."""

    def __init__(self, session: Session, max_deliveries: int) -> None:
        self._session = session
        self._consumption = Consumption(session, max_deliveries)
        self._step: Step | None = None  # that is under way
        self._asked_at = 0.0  # when it was sent
        self._is_over = False
        self._hub: Hub | None = None
        self._is_turn_planned = False
        self._wake_at: float | None = None
        session.before_statement = self._settle
        session.after_statement = self._note_notifications

    # What channels say

    def add(self, subscription: Subscription) -> None:
        """Deliver what comes to its queue."""
        self._consumption.add(subscription)
        self._plan_turn()

    def remove(self, subscription: Subscription) -> None:
        """What has arrived for it and was not delivered goes back."""
        self._consumption.remove(subscription)

    def has_room(self) -> None:
        """A prefetch count was raised, or messages were given back: the next claim may bring something."""
        self._plan_turn()

    def look(self) -> bool:
        """Do the chores at once, unless somebody here did within the last second; whether it did."""
        return self._consumption.look()

    def acknowledge(self, ids: list[int]) -> None:
        """Messages are done. Told to the server with the next claim, or now if there will be none."""
        if self._hub is not None and self._consumption.claims:
            self._consumption.done(ids)
            self._plan_turn()
        elif ids:
            self._session.run(sql.ACK, self._session.id, ids)

    def flush(self) -> None:
        """Tell the server what was acknowledged."""
        self._consumption.flush()

    # What the connection asks

    @property
    def owes_word(self) -> bool:
        """Whether consumers were not told yet that their connection is lost."""
        return bool(self._consumption) and self._session.is_lost and not self._is_over

    @property
    def is_attached(self) -> bool:
        return self._hub is not None

    def waits_longer_than(self, limit_s: float) -> bool:
        """Whether the server owes an answer for so many seconds; a VACUUM may take its time."""
        is_due = self._step is not None and not self._step.is_errand
        return is_due and time.monotonic() - self._asked_at > limit_s

    def end(self) -> None:
        """Turns that are planned do nothing any more; the loop may be another connection's by then."""
        if self._hub is not None:
            self.detach(self._hub)
        self._is_over = True

    # With an event loop

    def attach(self, hub: Hub) -> None:
        self._hub = hub
        self._consumption.reads_ahead = True
        hub.add_reader(self._session.wire.fileno(), self._on_readable)
        self._plan_turn()

    def detach(self, hub: Hub) -> None:
        hub.remove_reader(self._session.wire.fileno())
        self._hub = None
        self._consumption.reads_ahead = False

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
                if self._step is not None and (rows := self._answer()) is not None:
                    self._finish(rows)
            self._consumption.deliver_all()
            self._turn()

    def _turn(self) -> None:
        """Start the next statement, unless one is under way."""
        if self._hub is None:
            return
        self._consumption.deliver_all()
        with self._session.lock:
            if not self._session.wire.is_waiting and (step := self._consumption.next_step()):
                with Translated(self._session):
                    self._session.wire.send(step.statement, *step.parameters)
                self._step = step
                self._asked_at = time.monotonic()
        if not self._session.wire.is_waiting:  # else the answer is what comes next
            self._sleep()

    def _sleep(self) -> None:
        """Have a turn when the next chore or second look is due."""
        now = time.monotonic()
        at = self._consumption.next_at(now)
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
        """Somebody wants to run a statement: fetch the answer to ours first. The loop delivers it."""
        if self._step is not None:
            while (rows := self._answer()) is None:
                self._session.wire.wait(None)
                self._session.wire.read()
            self._finish(rows)
            self._plan_turn()

    def _answer(self) -> list[Row] | None:
        try:
            return self._session.wire.answer()
        except BaseException:
            self._step = None  # an error is an answer, too
            raise

    def _finish(self, rows: list[Row]) -> None:
        self._note_notifications()
        step, self._step = self._step, None
        if step is not None:
            step.on_rows(rows)

    def _note_notifications(self) -> None:
        if self._consumption.note_notifications():
            self._plan_turn()

    @contextlib.contextmanager
    def _told_once(self) -> Iterator[None]:
        """Consumers are told that the connection was lost, and not again by each turn that is planned."""
        try:
            yield
        except ConnectionLost:
            self.end()
            raise

    # Without one

    def drain(self, timeout_s: float | None) -> None:
        """Deliver one message. Raises TimeoutError when none comes in time; 0 does not wait."""
        with self._told_once():
            self._drain(timeout_s)

    def _drain(self, timeout_s: float | None) -> None:
        consumption = self._consumption
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not consumption.has_arrived:
            with self._session.lock:
                self._settle()
            consumption.cancel_missing()
            if step := consumption.next_step():
                step.on_rows(self._session.run(step.statement, *step.parameters))
                continue
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                raise TimeoutError("timed out")
            until = consumption.next_at(now) if deadline is None else min(consumption.next_at(now), deadline)
            with Translated(self._session):
                self._session.wire.wait(max(0.0, until - now))
            with self._session.lock, Translated(self._session):
                if not self._session.wire.is_waiting:
                    self._session.wire.read()
                    self._note_notifications()
        consumption.deliver()
