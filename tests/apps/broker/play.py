"""The state of a run of the protocol, and the steps that its rules are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, cast

from hypothesis.stateful import RuleBasedStateMachine

from apps.broker import envelope, sql
from apps.broker.chores import Look
from apps.broker.publisher import Letter, Publisher
from apps.broker.session import Session
from apps.broker.subscription import START, Position
from apps.broker.transactions import Joining
from tests.apps.broker.ledger import MAX_DELIVERIES, Delivered, Hands, Ledger, Message, Place
from tests.apps.broker.nursery import Client
from tests.apps.broker.stage import HOUR_MS, MAX_PRIORITY, QUEUES, Local, Stage

SESSIONS: Final = 3
AnyClient = Local | Client
Draft = tuple[str, int, bool, bool]  # queue, priority, whether it may expire, whether it is delayed


@dataclass
class Hold:
    """A statement that is held up."""

    client: AnyClient
    answer: Future[Any]
    locked: Sequence[Message]
    reaped: Sequence[int]  # sessions
    through: Callable[[Any], None]  # tells the ledger, with the answer or None
    is_killed: bool = field(default=False)


class Play(RuleBasedStateMachine):
    """Three sessions, of which the first is in a process of its own."""

    stage: ClassVar[Stage]

    def __init__(self) -> None:
        super().__init__()
        self.stage.clear()
        self.ledger = Ledger()
        self.hands = Hands()
        self.ids: dict[int, int] = {}  # by the message's number
        self.registered: set[int] = set()  # sessions with a row
        self.over: set[int] = set()  # sessions that ended and were not reaped
        self.positions: dict[tuple[int, str], Position] = {}  # by session and queue
        self.held: Hold | None = None
        self.writer: Session | None = None  # has a transaction open
        self.clients = [self.join(seat) for seat in range(SESSIONS)]

    def teardown(self) -> None:
        self.stage.settle()
        for client in self.clients:
            hang_up(client)
        if self.held:
            hang_up(self.held.client)
            # What it still does is not to meet the next run.
            self.stage.until_gone(self.held.client.backend_pid)
        if self.writer:
            self.writer.abandon()

    # Clients

    def join(self, seat: int) -> AnyClient:
        client = self.stage.join(in_a_process=seat == 0)
        self.registered.add(client.id)
        return client

    def client(self, seat: int) -> AnyClient:
        """The one on this seat, or the next one where its statement is held up."""
        return self.two(seat)[0]

    def two(self, seat: int) -> list[AnyClient]:
        return [client for client in self.clients[seat:] + self.clients[:seat] if self.is_free(client)][:2]

    def is_free(self, client: AnyClient) -> bool:
        """Whether it has no statement that is held up."""
        return self.held is None or self.held.client is not client

    def owners(self) -> list[AnyClient]:
        """Those that have something."""
        return [client for client in self.clients if self.is_free(client) and self.ledger.held_by(client.id)]

    def owner(self, seat: int) -> AnyClient:
        owners = self.owners()
        return owners[seat % len(owners)]

    def left(self, client: AnyClient) -> None:
        """Its connection has ended, and somebody else takes its seat."""
        self.over.add(client.id)
        self.hands.left(client.id)
        if client in self.clients:
            seat = self.clients.index(client)
            self.clients[seat] = self.join(seat)
        hang_up(client)

    # Statements

    def do[T](self, client: AnyClient, function: Callable[..., T], *arguments: Any) -> T:
        """Call it. Raises Waited where it waits for somebody who waits for us."""
        return self.outcome(self.stage.start(function, *arguments), client)

    def run(self, client: AnyClient, statement: str, *parameters: Any) -> Any:
        return self.do(client, client.run, statement, *parameters)

    def outcome[T](self, started: Future[T], client: AnyClient) -> T:
        idle = [self.writer.wire.backend_pid] if self.writer else []
        if self.held:
            idle += [self.stage.obstacle_pid, self.held.client.backend_pid]
        return self.stage.outcome(started, client.backend_pid, idle)

    def hold_up(
        self,
        client: AnyClient,
        place: Place,
        messages: Sequence[Message],
        through: Callable[[Any], None],
        call: tuple[Any, ...],
        reaped: Sequence[int] = (),
    ) -> None:
        """Start the call, a function and its arguments, and wait until it is stuck.

        It has locked the messages by then, and cannot move the first one to its place.
        """
        first = messages[0]
        self.stage.obstruct(place, self.ids[first.number], first.queue, first.rank)
        started = self.stage.start(*call)
        self.stage.until_held_up(started, client.backend_pid)
        for message in messages:
            message.is_locked = True
        self.held = Hold(client, started, messages, reaped, through)

    def let_go(self) -> Hold:
        """Whatever is still held up goes on."""
        assert self.held
        held, self.held = self.held, None
        self.stage.let_go()
        for message in held.locked:
            message.is_locked = False
        return held

    # Messages

    def write(self, draft: Draft) -> tuple[Message, Letter]:
        """A message, for the ledger and for the broker."""
        queue, priority, may_expire, is_delayed = draft
        rank = -min(priority, MAX_PRIORITY) if queue == "ranked" else -priority
        message = self.ledger.write(queue, rank, may_expire or queue == "ranked", is_delayed)
        eta = datetime.now(UTC) + timedelta(milliseconds=HOUR_MS)
        headers = {"task": "t", "eta": eta.isoformat()} if is_delayed else {}
        properties = {"expiration": str(HOUR_MS)} if may_expire else {}
        prepared = envelope.prepare(str(message.number), priority, None, None, headers, properties)
        return message, Letter(prepared, "", queue)

    def position(self, client: AnyClient, queue: str, goes_on: bool) -> Position:
        return self.positions.get((client.id, queue), START) if goes_on else START

    def filled(self, queue: str) -> str:
        """The queue, or the other one where that one alone has something."""
        return next((each for each in (queue, *QUEUES) if self.first(each, 1)), queue)

    def first(self, queue: str, count: int, after: Position = START) -> list[Message]:
        """What a claim must get."""
        ready = self.ledger.at(Place.READY, queue=queue, is_locked=False)
        return [message for message in ready if (message.rank, self.ids[message.number]) > after][:count]

    def chosen(self, client: AnyClient, picks: Iterable[int]) -> list[Message]:
        """Some of what it has."""
        mine = self.ledger.held_by(client.id)
        return [mine[pick] for pick in sorted({pick % len(mine) for pick in picks})]

    def ids_of(self, messages: Iterable[Message]) -> list[int]:
        return [self.ids[message.number] for message in messages]

    def claimed(self, client: AnyClient, messages: Sequence[Message], rows: Sequence[Any] | None) -> None:
        """These, and in this order; None where the client did not live to see the answer."""
        wanted = self.ledger.claim(client.id, messages)
        if rows is not None:
            got = delivered(rows)
            self.hands.handed(client.id, [each.number for each in got if not each.expired])
            assert got == wanted
        if rows:
            self.positions[client.id, messages[0].queue] = (rows[-1][5], rows[-1][0])

    def ended(self, messages: Iterable[Message]) -> None:
        ended = list(messages)
        self.ledger.end(ended)
        self.hands.finished(message.number for message in ended)

    def returned(self, messages: Sequence[Message], redelivered: bool) -> None:
        self.ledger.release(messages, redelivered)
        self.hands.returned(message.number for message in messages)

    # Sessions that are over

    def reapable(self) -> list[int]:
        """Of those that are over, the ones that left something and are not being reaped."""
        busy = self.held.reaped if self.held else ()
        return sorted(
            id_
            for id_ in self.over
            if id_ not in busy and (id_ in self.registered or self.ledger.held_by(id_))
        )

    def look(self, client: AnyClient) -> Look:
        """What a tick tells, which must be true."""
        look = Look.of(self.run(client, *tick(client))[0])
        assert sorted(look.dead) == self.reapable(), (
            "the sessions that are over are not the ones that were found"
        )
        assert look.waiting == [queue for queue in QUEUES if self.ledger.at(Place.READY, queue=queue)]
        assert (look.due_in_s is None) == (not self.ledger.at(Place.DELAYED))
        return look

    def reaped(self, sessions: Iterable[int]) -> None:
        done = set(sessions)
        self.ledger.reap(done)
        self.over -= done
        self.registered -= done


def session_of(client: AnyClient) -> Session:
    """A client runs statements as a session does, which is all that production code wants of it."""
    return cast("Session", client)


def publisher(client: AnyClient | Session) -> Publisher:
    session = cast("Session", client)
    return Publisher(session, Joining(session, None))


def delivered(rows: Iterable[Sequence[Any]]) -> list[Delivered]:
    return [Delivered(int(body), redelivered, expired) for _, redelivered, expired, _, body, _ in rows]


def tick(client: AnyClient) -> tuple[Any, ...]:
    """The statement of the chores."""
    return sql.TICK, client.id, list(QUEUES), client.unbound.exchanges()


def lost(client: AnyClient, id_: int) -> tuple[Any, ...]:
    """The statement for a message whose pool process died."""
    return sql.RELEASE_LOST, client.id, id_, MAX_DELIVERIES, "host:1", "its process was killed"


def hang_up(client: AnyClient) -> None:
    if isinstance(client, Client):
        client.hang_up()
    else:
        client.session.abandon()
