"""Publishes to one system, in a process of its own: `python -m tests.bench.broker.publisher ACTION ...`.

Prints one line of JSON. `systems.System.publish` calls it.
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
import time
from collections.abc import Callable
from typing import Any, Final, cast

from kombu import Connection, Consumer

from tests.bench.broker import ledger
from tests.bench.broker.application import SYSTEM, app, hold, start, step, tick
from tests.bench.broker.ledger import Ledger
from tests.bench.broker.terms import OURS, QUEUE

ANSWER_S: Final = 30.0  # seconds that a task may take to start, before the measurement is given up
POLL_S: Final = 0.002
CHUNK: Final = 10_000  # messages in one transaction of a bulk
RAW_BATCH: Final = 250  # messages that are acknowledged at once where no worker empties a queue
EMPTY_S: Final = 3.0  # seconds without a message after which a queue is called empty
PAUSE_S: Final = 0.1  # after a failed publish


def one_by_one(count: int) -> float:
    """Publish as a web application does; seconds."""
    tick.delay()  # connects, and declares what it needs
    begun = time.monotonic()
    for _ in range(count - 1):
        tick.delay()
    return time.monotonic() - begun


def bulk(count: int) -> float:
    """Publish in one transaction; seconds."""
    tick.delay()
    begun = time.monotonic()
    publish_in_one_transaction(count)
    return time.monotonic() - begun


def publish_in_one_transaction(count: int) -> None:
    """The one place that knows how ours does it."""
    assert SYSTEM == OURS
    from apps.broker.bulk import send_many

    send_many(tick.s() for _ in range(count))


def fill(count: int) -> float:
    """Publish as fast as the system can, for what is measured afterwards; seconds."""
    begun = time.monotonic()
    if SYSTEM == OURS:
        for already in range(0, count, CHUNK):
            publish_in_one_transaction(min(CHUNK, count - already))
    else:
        options = app.conf.broker_transport_options | {"confirm_publish": False}
        with app.connection_for_write(transport_options=options) as connection:
            producer = app.amqp.Producer(connection)
            for _ in range(count):
                tick.apply_async(producer=producer)
    return time.monotonic() - begun


def holds(count: int) -> int:
    """Publish tasks that wait for the gate."""
    for _ in range(count):
        hold.delay()
    return count


def latencies(samples: int, least_gap: float, greatest_gap: float) -> list[float]:
    """Seconds from a publish to its task's start, one at a time, with random gaps (seconds)."""
    book = Ledger(ledger.folder())
    dice = random.Random()
    for number in range(samples + 1):
        start.delay(time.monotonic())
        _wait_started(book, number + 1)
        time.sleep(dice.uniform(least_gap, greatest_gap))
    return [float(line) for line in book.lines("latencies")][1:]  # the first one connects


def _wait_started(book: Ledger, tasks: int) -> None:
    deadline = time.monotonic() + ANSWER_S
    while len(book.lines("latencies")) < tasks:
        if time.monotonic() > deadline:
            message = f"task {tasks} did not start within {ANSWER_S:g} s"
            raise TimeoutError(message)
        time.sleep(POLL_S)


def steady(rate: float, seconds: float) -> int:
    """Publish no-op tasks at a rate (per second) for some time; how many."""
    begun, sent = time.monotonic(), 0
    while (elapsed := time.monotonic() - begun) < seconds:
        if sent < elapsed * rate:
            tick.delay()
            sent += 1
        else:
            time.sleep(sent / rate - elapsed)
    return sent


def steps(count: int, rate: float, least: float, greatest: float) -> int:
    """Publish `count` tasks of random length (seconds) at a rate, and write down which were taken.

    What raised may have been taken or not: it is written down as unsure, and not sent again.
    """
    dice = random.Random()
    begun, number, sent = time.monotonic(), 0, 0
    connection = app.connection_for_write()
    while sent < count:
        number += 1
        task = number, round(dice.uniform(least, greatest), 3)
        try:
            step.apply_async(task, producer=app.amqp.Producer(connection), retry=False)
        except Exception as error:  # whatever a broker that is away makes a transport raise
            ledger.append("published", f"unsure {number} {type(error).__name__}")
            connection = _renewed(connection)
        else:
            ledger.append("published", f"sent {number}")
            sent += 1
            time.sleep(max(0.0, begun + sent / rate - time.monotonic()))
    return sent


def _renewed(connection: Connection) -> Connection:
    time.sleep(PAUSE_S)
    connection.collect()
    return app.connection_for_write()


def long(seconds: float) -> int:
    """Publish one long task."""
    step.delay(1, seconds)
    return 1


def purge() -> int:
    """Forget all that waits; how many."""
    with app.connection_for_write() as connection:
        channel = cast("Any", connection.default_channel)
        app.amqp.queues[QUEUE](channel).declare()
        return int(channel.queue_purge(QUEUE) or 0)


def consume() -> tuple[int, float]:
    """Take and acknowledge all that waits, without executing it; how many, in how many seconds."""
    taken, begun = 0, time.monotonic()
    last = begun

    def take(message: Any) -> None:
        nonlocal taken, last
        taken, last = taken + 1, time.monotonic()
        if taken % RAW_BATCH == 0:
            message.channel.basic_ack(message.delivery_tag, multiple=True)

    with app.connection_for_read() as connection:
        queue = app.amqp.queues[QUEUE]
        consumer = Consumer(
            connection, [queue], on_message=take, prefetch_count=2 * RAW_BATCH, accept=["json"]
        )
        with consumer, contextlib.suppress(TimeoutError):
            while True:
                connection.drain_events(timeout=EMPTY_S)
        cast("Any", consumer.channel).basic_ack(0, multiple=True)  # all that is left
    return taken, last - begun


ACTIONS: Final[dict[str, Callable[..., Any]]] = {
    action.__name__: action
    for action in (one_by_one, bulk, fill, holds, latencies, steady, steps, long, purge, consume)
}


if __name__ == "__main__":
    action, *arguments = sys.argv[1:]
    print(json.dumps(ACTIONS[action](*map(json.loads, arguments))))
