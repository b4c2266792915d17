"""Which message comes first: by priority, then by age."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apps.broker.brokers import Broker
from tests.apps.broker.client import Client


def payloads(messages: list[Any]) -> list[Any]:
    """What they say."""
    return [message.payload for message in messages]


def put_each(client: Client, queue: Any, priorities: list[int]) -> list[str]:
    """Publish one message of each priority; names in the order of publishing, with the priority first."""
    names = [f"{priority} {number}" for number, priority in enumerate(priorities)]
    for name, priority in zip(names, priorities, strict=True):
        client.put(queue, name, priority=priority)
    return names


def by_priority(names: list[str]) -> list[str]:
    """Highest first, then oldest: sorting is stable."""
    return sorted(names, key=lambda name: -int(name.split()[0]))


@pytest.mark.parametrize("way", ["get", "consume"])
def test_the_highest_priority_comes_first(client: Client, way: str) -> None:
    """In a queue with max_priority; of one priority the oldest."""
    queue = client.queue(max_priority=9)
    names = put_each(client, queue, [0, 9, 3, 3, 9, 0, 5])
    count = len(names)
    found = payloads(client.take(queue, count)) if way == "get" else client.inbox(queue).bodies(count)
    assert found == by_priority(names)


def test_no_priority_is_the_lowest(client: Client) -> None:
    """Publishing without one is publishing with 0."""
    queue = client.queue(max_priority=9)
    message = client.channel.prepare_message(b"none", content_type="text/plain", content_encoding="utf-8")
    client.channel.basic_publish(message, exchange="", routing_key=queue.name)
    client.put(queue, "zero", priority=0)
    client.put(queue, "one", priority=1)
    assert payloads(client.take(queue, 3)) == ["one", "none", "zero"]


def test_a_priority_above_the_queue_s_highest_is_the_highest(client: Client) -> None:
    """max_priority=5: a 9 is a 5, and waits behind an older 5."""
    queue = client.queue(max_priority=5)
    client.put(queue, "five", priority=5)
    client.put(queue, "nine", priority=9)
    assert payloads(client.take(queue, 2)) == ["five", "nine"]


def test_a_requeued_message_keeps_its_place_within_its_priority(client: Client) -> None:
    """Behind higher ones, before younger ones."""
    queue = client.queue(max_priority=9)
    put_each(client, queue, [3, 3])
    (held,) = client.take(queue)
    client.put(queue, "9 2", priority=9)
    held.requeue()
    assert payloads(client.take(queue, 3)) == ["9 2", "3 0", "3 1"]


def test_a_higher_priority_overtakes_what_waits(client: Client) -> None:
    """A consumer that takes one at a time is given it next, however many were published before.

    Ours fetches ahead for one whose messages take no time; after 50 ms it has given back what it had.
    """
    queue = client.queue(max_priority=9)
    client.put(queue, *[f"low {number}" for number in range(20)])
    inbox = client.inbox(queue, prefetch_count=1)
    for number in range(5):  # it has got into its stride
        inbox.wait(number + 1)[number].ack()
    inbox.wait(6)
    with pytest.raises(TimeoutError):  # the sixth takes its time
        client.connection.drain_events(timeout=0.2)
    client.put(queue, "high", priority=9)
    inbox.messages[5].ack()
    assert inbox.bodies(7)[6] == "high"


def test_priorities_in_a_queue_without_max_priority(broker: Broker, client: Client) -> None:
    """RabbitMQ ignores them there; ours does not need to be told beforehand.

    RabbitMQ keeps a queue for each priority and has to know how many. For us it is a column: a Celery
    task's `priority=` works without declaring anything.
    """
    queue = client.queue()
    names = put_each(client, queue, [0, 9, 3])
    expected = {"rabbitmq": names, "postgres": by_priority(names)}[broker.name]
    assert payloads(client.take(queue, 3)) == expected


def test_two_publishers_keep_their_own_order(client: Client, other: Client) -> None:
    """Of each publisher the oldest comes first."""
    queue = client.queue()
    for number in range(20):
        client.put(queue, ["client", number])
        other.put(queue, ["other", number])
    found = payloads(client.take(queue, 40))
    for name in ("client", "other"):
        assert [number for who, number in found if who == name] == list(range(20))
