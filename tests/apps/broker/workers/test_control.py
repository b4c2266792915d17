"""Remote control: `celery inspect` and `celery control`, on a real worker."""

from __future__ import annotations

import json
from typing import Any

import pytest
from celery.exceptions import TaskRevokedError

from tests.apps.broker.client import unique, wait_until
from tests.apps.broker.workers.site import Site

NODE = "main@site"


def ask(site: Site, question: str, *args: Any) -> Any:
    """What the main worker answers to an inspect command."""
    return getattr(site.inspect("main"), question)(*args)[NODE]


def tell(site: Site, command: str, *args: Any, **kwargs: Any) -> Any:
    """What the main worker answers to a control command."""
    method = getattr(site.app.control, command)
    (answer,) = method(*args, destination=[NODE], reply=True, timeout=10, **kwargs)
    return answer[NODE]


def test_a_worker_answers_a_ping(site: Site) -> None:
    """On the command line, to everybody."""
    assert json.loads(site.celery("inspect", "ping", "--json")) == {NODE: {"ok": "pong"}}


def test_a_worker_that_does_not_exist_does_not_answer(site: Site) -> None:
    """None, after the time that was given."""
    assert site.app.control.inspect(destination=["nobody@site"], timeout=0.1).ping() is None


def test_a_worker_says_what_it_does(site: Site) -> None:
    """active: the task that runs; reserved: those that wait in the worker."""
    with site.holding() as first, site.holding() as second:
        third = site.send("add", 1, 1)
        active = {task["id"]: task for task in ask(site, "active")}
        assert set(active) == {first.id, second.id}
        assert active[first.id]["name"] == "hold"
        assert active[first.id]["worker_pid"]
        wait_until("the third to be reserved", lambda: third.id in ids(ask(site, "reserved")))
        assert ask(site, "query_task", [third.id])[third.id][0] == "reserved"
        assert site.celery("inspect", "active", "-d", NODE).count("'name': 'hold'") == 2
    assert site.result(third) == 2
    wait_until("the end of all", lambda: not ask(site, "active") and not ask(site, "reserved"))


def ids(tasks: list[dict[str, Any]]) -> set[str]:
    """Their ids."""
    return {task["id"] for task in tasks}


def test_a_worker_says_what_is_scheduled(site: Site) -> None:
    """With RabbitMQ a worker holds all that have a countdown; with ours they stay in the database.

    A worker that holds them needs memory for each, and a raised prefetch count; they are delivered again
    when it dies. Ours are claimed when they are due.
    """
    sent = site.send("add", 1, 1, countdown=600)
    try:
        if site.broker.name == "postgres":
            assert site.run("add", 1, 1) == 2  # published later, and done
            assert ask(site, "scheduled") == []
        else:
            wait_until("it", lambda: {task["request"]["id"] for task in ask(site, "scheduled")} == {sent.id})
    finally:
        tell(site, "revoke", sent.id)


def test_a_worker_says_what_it_is(site: Site) -> None:
    """stats, conf, report, registered, active_queues, clock."""
    stats = ask(site, "stats")
    assert stats["pool"]["max-concurrency"] == 2
    assert len(stats["pool"]["processes"]) == 2
    assert stats["prefetch_count"] >= 4
    assert "broker" in stats
    assert "secret" not in str(stats["broker"])
    assert ask(site, "conf")["task_default_queue"] == site.queue
    assert "add" in ask(site, "registered")
    assert [queue["name"] for queue in ask(site, "active_queues")] == [site.queue]
    assert "ok" in ask(site, "report")
    assert ask(site, "clock")["clock"] > 0


def test_a_worker_consumes_from_one_more_queue(site: Site) -> None:
    """add_consumer and cancel_consumer."""
    queue = unique("more")
    assert tell(site, "add_consumer", queue) == {"ok": f"add consumer {queue}"}
    assert site.run("add", 1, 1, queue=queue) == 2
    assert tell(site, "cancel_consumer", queue) == {"ok": f"no longer consuming from {queue}"}
    wait_until("its end", lambda: site.counts(queue)[1] == 0)
    site.send("add", 1, 1, queue=queue)
    assert site.waiting(queue) == 1


def test_a_rate_is_limited(site: Site) -> None:
    """rate_limit: a second task waits in the worker; then the limit is taken back."""
    assert tell(site, "rate_limit", "pid", "1/m") == {"ok": "new rate limit set successfully"}
    first, second = site.send("pid"), site.send("pid")
    assert site.result(first)
    assert site.run("add", 1, 1) == 2
    assert second.state != "SUCCESS"
    assert tell(site, "rate_limit", "pid", "0") == {"ok": "new rate limit set successfully"}
    tell(site, "revoke", second.id)


def test_a_time_limit_is_taken(site: Site) -> None:
    """time_limit: the worker says so. What it then does with it is Celery's own business."""
    assert tell(site, "time_limit", "linger", soft=20, hard=30) == {"ok": "time limits set successfully"}
    assert tell(site, "time_limit", "linger") == {"ok": "time limits set successfully"}


def test_a_task_is_revoked_before_it_runs(site: Site) -> None:
    """Waiting in the worker, or in the queue."""
    with site.holding(), site.holding():
        waiting = [site.send("add", 1, 1) for _ in range(6)]
        for one in waiting:
            tell(site, "revoke", one.id)
        assert set(ask(site, "revoked")) >= {one.id for one in waiting}
    for one in waiting:
        with pytest.raises(TaskRevokedError):
            site.result(one)


def test_a_delayed_task_is_revoked(site: Site) -> None:
    """Wherever it waits for its time."""
    sent = site.send("add", 1, 1, countdown=0.3)
    tell(site, "revoke", sent.id)
    with pytest.raises(TaskRevokedError):  # as soon as the worker hears of it
        site.result(sent)
    assert site.run("add", 1, 1, countdown=0.3) == 2  # its message comes before this one, and goes


@pytest.mark.parametrize("command", ["terminate", "revoke"])
def test_a_running_task_is_terminated(site: Site, command: str) -> None:
    """terminate, or revoke with terminate: its process is killed."""
    name = unique("hold")
    with site.holding(name) as held:
        options = {"terminate": True} if command == "revoke" else {}
        tell(site, command, held.id, signal="SIGKILL", **options)
        with pytest.raises(TaskRevokedError):
            site.result(held)
    assert site.run("add", 1, 1) == 2
    assert len(site.begun(name)) == 1


def test_a_task_is_revoked_by_its_stamp(site: Site) -> None:
    """revoke_by_stamped_headers."""
    signature = site.task("add").s(1, 1)
    mark = unique("mark")
    signature.stamp(mark=mark)
    site.app.control.revoke_by_stamped_headers({"mark": [mark]}, destination=[NODE], reply=True, timeout=10)
    with pytest.raises(TaskRevokedError):
        site.result(signature.apply_async())


def test_a_queue_is_purged_beside_a_worker(site: Site) -> None:
    """control.purge: what waits; what the worker has goes on."""
    with site.holding(), site.holding():
        sent = [site.send("add", 1, 1) for _ in range(20)]
        wait_until("each to be somewhere", lambda: len(ask(site, "reserved")) + site.waiting() == len(sent))
        waiting = site.waiting()
        assert waiting
        assert site.app.control.purge() == waiting
        assert site.waiting() == 0
    kept = sent[: len(sent) - waiting]
    assert [site.result(one) for one in kept] == [2] * len(kept)


def test_remote_control_does_not_wait_for_tasks(site: Site) -> None:
    """While every process is busy, and while a thousand tasks wait."""
    with site.holding(), site.holding():
        assert ask(site, "ping") == {"ok": "pong"}
