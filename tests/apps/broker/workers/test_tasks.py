"""What Celery offers with tasks, on a real worker."""

from __future__ import annotations

import time

import pytest
from celery import chain, chord, group
from celery.exceptions import TaskRevokedError, TimeLimitExceeded, WorkerLostError

from tests.apps.broker.client import unique, wait_until
from tests.apps.broker.workers.site import Site


def test_a_task_gives_its_result(site: Site) -> None:
    """And its state on the way."""
    sent = site.send("add", 2, 3)
    assert site.result(sent) == 5
    assert sent.state == "SUCCESS"


def test_a_task_gives_its_error(site: Site) -> None:
    """With its type and words."""
    with pytest.raises(ValueError, match="grüße"):
        site.run("fail", "grüße")


def test_arguments_arrive(site: Site) -> None:
    """Positional and named, any JSON document."""
    args, kwargs = ["grüße 🚲", None, [1, {"a": 2.5}]], {"key": "a\0b", "flag": True}
    assert site.result(site.task("echo").apply_async(args, kwargs)) == [args, kwargs]


def test_a_large_argument_arrives(site: Site) -> None:
    """Two megabytes."""
    text = "0123456789" * 200_000
    assert site.run("echo", text) == [[text], {}]


def test_a_task_knows_its_message(site: Site) -> None:
    """Queue, priority, headers; that it is its first delivery."""
    sent = site.send("describe", priority=3, headers={"mine": "yours"})
    assert site.result(sent) == {
        "queue": site.queue,
        "priority": 3,
        "redelivered": False,
        "correlation_id": sent.id,
        "retries": 0,
        "headers": "yours",
        "hostname": "main@site",
    }


def test_a_task_is_sent_by_name(site: Site) -> None:
    """Whoever sends need not have it."""
    assert site.result(site.app.send_task("add", (1, 1))) == 2


def test_an_unknown_task_is_dropped(site: Site) -> None:
    """The worker says so and goes on."""
    site.app.send_task(unique("unknown"))
    assert site.run("add", 1, 2) == 3


def test_a_hundred_tasks_are_done_once_each(site: Site) -> None:
    """By both processes."""
    ledger = site.folder / "hundred"
    sent = [site.send("note", str(ledger)) for _ in range(100)]
    for one in sent:
        site.result(one)
    assert sorted(ledger.read_text().split()) == sorted(one.id for one in sent)


def test_a_chain_hands_results_on(site: Site) -> None:
    """Each task to the next."""
    add = site.task("add")
    assert site.result(chain(add.s(1, 2), add.s(3), add.s(4)).apply_async()) == 10


def test_a_group_runs_side_by_side(site: Site) -> None:
    """Its results in order."""
    add = site.task("add")
    assert site.result(group(add.s(number, 1) for number in range(5)).apply_async()) == [1, 2, 3, 4, 5]


def test_a_chord_has_its_body_run_last(site: Site) -> None:
    """With all results; a chain around it and one inside."""
    add, total = site.task("add"), site.task("total")
    header = [add.s(1, 1), chain(add.s(1, 1), add.s(1))]
    assert site.result(chain(chord(header, total.s()), add.s(5)).apply_async()) == 10


def test_tasks_are_mapped_and_cut_in_chunks(site: Site) -> None:
    """One message for many."""
    add = site.task("add")
    assert site.result(add.starmap([(1, 2), (3, 4)]).apply_async()) == [3, 7]
    chunks = add.chunks([(number, number) for number in range(4)], 2).group()
    assert site.result(chunks.apply_async()) == [[0, 2], [4, 6]]


def test_a_callback_is_called(site: Site) -> None:
    """link and link_error are messages as well."""
    ledger = site.folder / unique("ledger")
    note = site.task("note").si(str(ledger))
    site.send("add", 1, 1, link=note)
    wait_until("the callback", ledger.exists)
    other = site.folder / unique("ledger")
    site.send("fail", "told", link_error=site.task("note").si(str(other)))
    wait_until("the callback", other.exists)


def test_a_task_retries(site: Site) -> None:
    """Each time a message with a countdown."""
    assert site.run("try_again", 2) == 2


def test_a_countdown_is_kept(site: Site) -> None:
    """Not before; of two the one that is due first, although it was sent last."""
    begun = time.time()
    late, soon = site.send("now", countdown=1), site.send("now", countdown=0.3)
    soon_at, late_at = site.result(soon), site.result(late)
    assert begun + 0.3 <= soon_at <= late_at
    assert begun + 1 <= late_at


def test_an_expired_task_does_not_run(site: Site) -> None:
    """expires before its countdown is over: it is revoked."""
    sent = site.send("add", 1, 1, countdown=0.3, expires=0.1)
    with pytest.raises(TaskRevokedError):
        site.result(sent)


def test_a_task_that_has_not_expired_runs(site: Site) -> None:
    """expires in time to come changes nothing."""
    assert site.run("add", 1, 1, expires=600) == 2


def test_a_soft_time_limit_asks(site: Site) -> None:
    """The task hears of it and ends in its own way."""
    assert site.run("linger", 30, soft_time_limit=0.2) == "asked to end"


def test_a_hard_time_limit_kills(site: Site) -> None:
    """And the worker gets a new process."""
    with pytest.raises(TimeLimitExceeded):
        site.run("linger", 30, time_limit=0.2)
    assert site.run("add", 1, 1) == 2


def test_a_task_gives_itself_back(site: Site) -> None:
    """Reject(requeue=True): it comes again, and knows it."""
    assert site.run("reject_once") is True


def test_a_task_whose_process_dies_runs_again(site: Site) -> None:
    """acks_late and reject_on_worker_lost: it comes again, and knows it."""
    assert site.run("die_once") is True


def test_a_task_acknowledged_early_dies_with_its_process(site: Site) -> None:
    """Without acks_late it was gone from the queue when it began."""
    with pytest.raises(WorkerLostError):
        site.run("die")


def test_a_task_goes_to_a_queue_of_its_own(site: Site) -> None:
    """Nobody has declared it before; there it waits until somebody consumes it."""
    queue = unique("aside")
    sent = site.send("add", 1, 1, queue=queue)
    assert site.waiting(queue) == 1
    with site.consuming(queue):
        assert site.result(sent) == 2


def test_a_task_goes_through_an_exchange(site: Site) -> None:
    """By routing key, as a topic."""
    exchange = unique("exchange")
    with site.consuming(unique("aside"), exchange=exchange, exchange_type="topic", routing_key="a.#"):
        assert site.run("add", 1, 1, exchange=exchange, routing_key="a.b") == 2


def test_a_queue_is_purged(empty_site: Site) -> None:
    """`celery purge`: how many messages it took."""
    for _ in range(3):
        empty_site.send("add", 1, 1)
    assert "3 messages" in empty_site.celery("purge", "-f", "-Q", empty_site.queue)
    assert empty_site.waiting() == 0
