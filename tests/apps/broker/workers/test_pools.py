"""Every kind of pool takes tasks, answers, and ends."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from tests.apps.broker.brokers import Broker
from tests.apps.broker.client import unique, wait_until
from tests.apps.broker.workers.site import Program, Site

POOLS = {
    "solo": ["--pool=solo"],
    "threads": ["--pool=threads", "--concurrency=3"],
    "gevent": ["--pool=gevent", "--concurrency=3"],
}
Shop = tuple[Site, dict[str, Program]]


@pytest.fixture(scope="module")
def shop(broker: Broker) -> Iterator[Shop]:
    """A place of work with a worker of each pool, each with a queue of its name. Results come by rpc."""
    with Site(broker, backend="rpc://") as site:
        workers = {
            name: site.worker(name, *options, queue=queue(site, name)) for name, options in POOLS.items()
        }
        for worker in workers.values():
            worker.wait_for("ready.")
        yield site, workers


def queue(site: Site, pool: str) -> str:
    """The queue of a pool's worker."""
    return f"{site.queue}-{pool}"


@pytest.mark.parametrize("pool", POOLS)
def test_it_takes_tasks(shop: Shop, pool: str) -> None:
    """And gives results and errors, through the broker itself: result_backend="rpc://"."""
    site, _ = shop
    sent = [site.send("add", number, 1, queue=queue(site, pool)) for number in range(10)]
    assert [site.result(one) for one in sent] == list(range(1, 11))
    with pytest.raises(ValueError, match="no"):
        site.run("fail", "no", queue=queue(site, pool))


@pytest.mark.parametrize("pool", POOLS)
def test_it_answers(shop: Shop, pool: str) -> None:
    """Remote control, while nothing runs."""
    site, _ = shop
    assert site.inspect(pool).ping() == {f"{pool}@site": {"ok": "pong"}}
    names = [found["name"] for found in site.inspect(pool).active_queues()[f"{pool}@site"]]
    assert names == [queue(site, pool)]


@pytest.mark.parametrize("pool", POOLS)
def test_it_keeps_a_countdown_and_retries(shop: Shop, pool: str) -> None:
    """Delays are the broker's or the worker's, in whichever loop it has."""
    site, _ = shop
    begun = time.time()
    assert site.run("now", countdown=0.3, queue=queue(site, pool)) >= begun + 0.3
    assert site.run("try_again", 1, queue=queue(site, pool)) == 1


@pytest.mark.parametrize("pool", POOLS)
def test_it_gives_a_task_back(shop: Shop, pool: str) -> None:
    """Reject(requeue=True)."""
    site, _ = shop
    assert site.run("reject_once", queue=queue(site, pool)) is True


@pytest.mark.parametrize("pool", ["threads", "gevent"])
def test_it_works_and_answers_at_once(shop: Shop, pool: str) -> None:
    """Three tasks side by side, and a ping beside them."""
    site, _ = shop
    with (
        site.holding(queue=queue(site, pool)),
        site.holding(queue=queue(site, pool)),
        site.holding(queue=queue(site, pool)),
    ):
        assert site.inspect(pool).ping() == {f"{pool}@site": {"ok": "pong"}}
        assert len(site.inspect(pool).active()[f"{pool}@site"]) == 3


def test_they_know_of_each_other(shop: Shop) -> None:
    """mingle: a worker that starts asks those that run."""
    site, _ = shop
    late = site.worker("late", "--pool=solo", queue=queue(site, "late"), mingles=True).wait_for("ready.")
    assert re.search(r"mingle: sync with [1-9] nodes", late.log)


@pytest.mark.parametrize("pool", POOLS)
def test_it_ends_when_it_is_told(shop: Shop, pool: str) -> None:
    """`celery control shutdown`, by remote control; and leaves no consumer behind."""
    site, workers = shop
    site.app.control.shutdown(destination=[f"{pool}@site"])
    assert workers[pool].wait() == 0
    assert site.counts(queue(site, pool)) == (0, 0)


def test_a_prefork_pool_grows_and_shrinks(broker: Broker) -> None:
    """By itself (--autoscale) or when told (pool_grow, pool_shrink); --max-tasks-per-child renews it."""
    with Site(broker) as site:
        auto = site.worker("auto", "--autoscale=3,1", "--max-tasks-per-child=1", queue=queue(site, "auto"))
        site.worker("told", "-c", "1", queue=queue(site, "told")).wait_for("ready.")
        auto.wait_for("ready.")
        options = {"destination": ["told@site"], "reply": True, "timeout": 10}
        assert site.app.control.pool_grow(1, **options) == [{"told@site": {"ok": "pool will grow"}}]
        first, second = (site.send("pid", queue=queue(site, "auto")) for _ in range(2))
        assert site.result(first) != site.result(second)
        names = {unique("hold"): pool for pool in ("auto", "auto", "auto", "told", "told")}
        for name, pool in names.items():
            site.send("hold", str(site.folder), name, queue=queue(site, pool))
        wait_until("five at once", lambda: all(site.begun(name) for name in names))
        for name in names:
            site.let_go(name)
        shrunk = [{"told@site": {"ok": "pool will shrink"}}]
        wait_until("one to be idle", lambda: site.app.control.pool_shrink(1, **options) == shrunk)
        assert site.run("add", 1, 1, queue=queue(site, "told")) == 2


def test_a_solo_worker_takes_the_highest_priority_first(broker: Broker) -> None:
    """One at a time, as the queue has them when it starts."""
    with Site(broker) as site:
        ledger = site.folder / "ledger"
        sent = [site.send("note", str(ledger), priority=priority) for priority in (0, 9, 3, 9, 5)]
        site.worker("solo", "--pool=solo", "--prefetch-multiplier=1").wait_for("ready.")
        for one in sent:
            site.result(one)
        order = [sent[index].id for index in (1, 3, 4, 2, 0)]
        assert ledger.read_text().split() == order
