"""What the broker's tables must hold: the model that the protocol is compared with. It knows no database."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

MAX_DELIVERIES: Final = 2  # deaths that make a message a dead letter


class Place(StrEnum):
    """Where a message is; all but the first and the last are tables."""

    UNCOMMITTED = "uncommitted"
    DELAYED = "delayed"
    READY = "message"
    DELIVERED = "delivery"
    DEAD = "deadletter"
    GONE = "gone"


TABLES: Final = (Place.DELAYED, Place.READY, Place.DELIVERED, Place.DEAD)


class Row(NamedTuple):
    """What can be seen of a message in its table."""

    place: str
    number: int
    queue: str
    rank: int
    owner: int | None
    deaths: int
    redelivered: bool
    stories: int


class Delivered(NamedTuple):
    """What a claim answers of a message."""

    number: int
    redelivered: bool
    expired: bool


@dataclass
class Message:
    """One message; its number is its age."""

    number: int
    queue: str
    rank: int
    has_ttl: bool
    is_delayed: bool
    place: Place = Place.UNCOMMITTED
    owner: int | None = None  # a session
    deaths: int = 0
    redelivered: bool = False
    stories: int = 0  # of deaths
    is_expired: bool = False
    is_due: bool = False
    is_locked: bool = False  # by a statement that is held up

    def row(self) -> Row:
        return Row(
            self.place,
            self.number,
            self.queue,
            self.rank,
            self.owner,
            self.deaths,
            self.redelivered,
            self.stories,
        )

    def to(self, place: Place, owner: int | None = None) -> None:
        self.place, self.owner = place, owner


@dataclass
class Ledger:
    """All messages of one run."""

    messages: list[Message] = field(default_factory=list)

    def rows(self) -> list[Row]:
        """What all tables together must hold."""
        return sorted(message.row() for message in self.messages if message.place in TABLES)

    def at(self, place: Place, **wanted: object) -> list[Message]:
        """The messages there with these attributes, in their order of delivery."""
        found = [
            message
            for message in self.messages
            if message.place is place
            and all(getattr(message, name) == value for name, value in wanted.items())
        ]
        return sorted(found, key=lambda message: (message.rank, message.number))

    def held_by(self, session: int) -> list[Message]:
        return self.at(Place.DELIVERED, owner=session)

    def write(self, queue: str, rank: int, has_ttl: bool, is_delayed: bool) -> Message:
        """A message that is not committed yet; it has its age already."""
        message = Message(len(self.messages), queue, rank, has_ttl, is_delayed)
        self.messages.append(message)
        return message

    def commit(self, messages: Iterable[Message]) -> None:
        for message in messages:
            message.to(Place.DELAYED if message.is_delayed else Place.READY)

    def claim(self, session: int, messages: Iterable[Message]) -> list[Delivered]:
        """They go to the session; expired ones nowhere. What the claim must answer."""
        answer = []
        for message in messages:
            answer.append(Delivered(message.number, message.redelivered, message.is_expired))
            if message.is_expired:
                message.to(Place.GONE)
            else:
                message.to(Place.DELIVERED, session)
        return answer

    def take(self, messages: Iterable[Message]) -> list[Delivered]:
        """Gone with the claim. What it must answer."""
        answer = []
        for message in messages:
            answer.append(Delivered(message.number, message.redelivered, message.is_expired))
            message.to(Place.GONE)
        return answer

    def end(self, messages: Iterable[Message]) -> None:
        """Acknowledged, rejected, rolled back, or deleted with the queue."""
        for message in messages:
            message.to(Place.GONE)

    def release(self, messages: Iterable[Message], redelivered: bool) -> None:
        for message in messages:
            message.redelivered |= redelivered
            message.to(Place.READY)

    def die(self, messages: Iterable[Message]) -> None:
        """One death for each, which may have been one too many."""
        for message in messages:
            message.deaths += 1
            message.stories += 1
            message.redelivered = True
            message.to(Place.READY if message.deaths < MAX_DELIVERIES else Place.DEAD)

    def reap(self, sessions: Collection[int]) -> None:
        for session in sessions:
            self.die(self.held_by(session))

    def put_back(self, letters: Iterable[Message]) -> None:
        """Dead letters begin again; an operator wants it so."""
        for message in letters:
            message.deaths = 0
            message.is_expired = False
            message.to(Place.READY)

    def due(self) -> list[Message]:
        return self.at(Place.DELAYED, is_due=True, is_locked=False)

    def promote(self, messages: Iterable[Message]) -> None:
        for message in messages:
            message.to(Place.READY)

    def can_pass_time(self) -> list[Message]:
        """What waits for its time, or may expire."""
        return [
            message
            for message in self.messages
            if (message.place is Place.DELAYED and not message.is_due)
            or (
                message.place in (Place.READY, Place.DELIVERED) and message.has_ttl and not message.is_expired
            )
        ]

    def pass_time(self, modulus: int) -> list[Message]:
        """Of these, one in so many; which ones."""
        changed = [message for message in self.can_pass_time() if message.number % modulus == 0]
        for message in changed:
            message.is_due = message.place is Place.DELAYED
            message.is_expired = not message.is_due
        return changed


@dataclass
class Hands:
    """What clients saw, without a look at any table: who was handed what, and what is done."""

    owners: dict[int, int] = field(default_factory=dict)  # sessions by the message's number
    done: set[int] = field(default_factory=set)

    def handed(self, session: int, numbers: Iterable[int]) -> None:
        """Raises AssertionError for a message that a live session has, or that was acknowledged."""
        for number in numbers:
            owner = self.owners.get(number)
            assert owner is None, f"message {number} was handed to session {session} while {owner} has it"
            assert number not in self.done, f"message {number} was handed out again after its acknowledgement"
            self.owners[number] = session

    def finished(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.owners.pop(number, None)
            self.done.add(number)

    def returned(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.owners.pop(number, None)

    def left(self, session: int) -> None:
        """The session ended, and nobody has its messages."""
        self.returned([number for number, owner in self.owners.items() if owner == session])
