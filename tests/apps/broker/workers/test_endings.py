"""How a worker ends, and what becomes of its tasks."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.apps.broker.brokers import Broker, Wire
from tests.apps.broker.client import unique, wait_until
from tests.apps.broker.workers.site import Program, Site


class Shift(Site):
    """A place of work where one worker ends, and `relief@site` takes over when it is told to."""

    def begin_shift(self, *options: str) -> Program:
        """Start both workers; the one that is to end, when both are ready."""
        first = self.worker("first", *options)
        self.worker("relief", "-c", "2", queue=f"{self.queue}-aside").wait_for("ready.")
        return first.wait_for("ready.")

    def relieve(self) -> None:
        """From now on the other worker takes from the queue."""
        self.app.control.add_consumer(self.queue, destination=["relief@site"])

    def hold(self, name: str) -> Any:
        """Send a task that holds its worker, and wait until it has begun."""
        sent = self.send("hold", str(self.folder), name)
        wait_until(f"{name} to begin", lambda: self.begun(name))
        return sent


@pytest.fixture
def shift(broker: Broker) -> Iterator[Shift]:
    with Shift(broker) as shift:
        yield shift


def test_a_warm_shutdown_finishes_what_runs(shift: Shift) -> None:
    """What runs is finished, what was only fetched returns to the queue, and is done by the next worker."""
    worker = shift.begin_shift("-c", "1", "--prefetch-multiplier=4")
    name = unique("hold")
    held = shift.hold(name)
    waiting = [shift.send("add", number, 1) for number in range(6)]
    worker.process.send_signal(signal.SIGTERM)
    worker.wait_for("Warm shutdown")
    shift.let_go(name)
    assert worker.wait() == 0
    assert shift.result(held) == name
    assert shift.counts() == (6, 0)
    shift.relieve()
    assert [shift.result(one) for one in waiting] == [1, 2, 3, 4, 5, 6]
    assert len(shift.begun(name)) == 1


def test_a_cold_shutdown_gives_back_what_runs(shift: Shift) -> None:
    """SIGQUIT: the task with acks_late runs again elsewhere."""
    worker = shift.begin_shift("-c", "1")
    name = unique("hold")
    held = shift.hold(name)
    # Celery hangs when this signal comes while it hands a task to its pool: an answer shows that it is done.
    assert shift.inspect("first").active()
    worker.stop(signal.SIGQUIT)
    wait_until("its return", lambda: shift.waiting() == 1)
    shift.let_go(name)
    shift.relieve()
    assert shift.result(held) == name
    assert len(shift.begun(name)) == 2


def kill_master(worker: Program) -> None:
    """As the kernel does when memory is short: the master only; its children follow by themselves."""
    worker.process.kill()
    worker.process.wait()


@pytest.mark.parametrize("kill", [Program.kill, kill_master], ids=["all", "master"])
def test_the_tasks_of_a_killed_worker_run_elsewhere(shift: Shift, kill: Callable[[Program], None]) -> None:
    """kill -9: what it ran with acks_late, and what it had fetched, each once more and no more."""
    worker = shift.begin_shift("-c", "1", "--prefetch-multiplier=4")
    # A child that is forked now inherits the worker's connection, and may outlive it.
    shift.app.control.pool_grow(1, destination=["first@site"], reply=True, timeout=10)
    ledger, name = shift.folder / "ledger", unique("hold")
    held = shift.hold(name)
    waiting = [shift.send("note", str(ledger)) for _ in range(5)]
    shift.relieve()
    kill(worker)
    wait_until("it to begin again", lambda: len(shift.begun(name)) == 2)
    shift.let_go(name)
    assert shift.result(held) == name
    for one in waiting:
        shift.result(one)
    assert sorted(ledger.read_text().split()) == sorted(one.id for one in waiting)


def test_a_worker_connects_again(broker: Broker, wire: Wire) -> None:
    """Its connection is lost: it goes on by itself, and answers."""
    with Site(broker) as site:
        site.connect_at(wire.port)
        worker = site.worker("only", "-c", "1").wait_for("ready.")
        assert site.run("add", 1, 1) == 2
        wire.cut()
        worker.wait_for("Trying to re-establish the connection")
        assert site.run("add", 1, 2) == 3
        wait_until("its answer", lambda: site.inspect("only").ping())


def test_a_worker_waits_for_a_broker_that_is_away(broker: Broker, wire: Wire) -> None:
    """From its start: it goes on as soon as there is one."""
    wire.unplug()
    with Site(broker) as site:
        site.connect_at(wire.port)
        worker = site.worker("only", "-c", "1").wait_for("Trying again in")
        sent = site.send("add", 1, 1)
        wire.mend()
        worker.wait_for("ready.")
        assert site.result(sent) == 2
