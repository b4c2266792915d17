"""Events: what a worker tells of itself and its tasks; `celery events` and Flower."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from celery.exceptions import TaskRevokedError

from tests.apps.broker.client import unique, wait_until
from tests.apps.broker.workers.site import Site
from tests.ports import free_port


@pytest.fixture(scope="module")
def told(site: Site) -> Iterator[list[dict[str, Any]]]:
    """All events from now on."""
    events: list[dict[str, Any]] = []
    with site.app.connection_for_read() as connection:
        receiver: Any = site.app.events.Receiver(connection, handlers={"*": events.append})
        thread = threading.Thread(target=receiver.capture, kwargs={"limit": None, "timeout": None})
        thread.start()
        wait_until("the first event", lambda: ping(site, events))
        site.app.control.enable_events(destination=["main@site"], reply=True, timeout=10)
        yield events
        receiver.should_stop = True
        thread.join()


def ping(site: Site, events: list[dict[str, Any]]) -> bool:
    """Ask the worker for a sign of life, until one is received."""
    site.app.control.broadcast("heartbeat", destination=["main@site"])
    return bool(events)


def types_of(events: list[dict[str, Any]], task_id: str) -> set[str]:
    """The types of a task's events."""
    return {event["type"] for event in events if event.get("uuid") == task_id}


def test_a_task_s_life_is_told(site: Site, told: list[dict[str, Any]]) -> None:
    """Sent, received, started, succeeded; by whom."""
    sent = site.send("add", 1, 2)
    expected = {"task-sent", "task-received", "task-started", "task-succeeded"}
    wait_until("its events", lambda: types_of(told, sent.id) == expected)
    (received,) = [event for event in told if event["type"] == "task-received" and event["uuid"] == sent.id]
    assert (received["name"], received["hostname"]) == ("add", "main@site")


def test_a_failure_and_a_retry_are_told(site: Site, told: list[dict[str, Any]]) -> None:
    """And a revocation."""
    failed, retried = site.send("fail", "grüße"), site.send("try_again", 1)
    revoked = site.send("add", 1, 1, countdown=0.2)
    site.app.control.revoke(revoked.id)
    wait_until("the failure", lambda: "task-failed" in types_of(told, failed.id))
    wait_until("the retry", lambda: "task-retried" in types_of(told, retried.id))
    wait_until("the revocation", lambda: "task-revoked" in types_of(told, revoked.id))
    with pytest.raises(TaskRevokedError):
        site.result(revoked)


def test_a_worker_s_life_is_told(site: Site, told: list[dict[str, Any]]) -> None:
    """Heartbeats; and events can be turned off and on."""
    assert {event["type"] for event in told if event["hostname"] == "main@site"} >= {"worker-heartbeat"}
    control = site.app.control
    control.disable_events(destination=["main@site"], reply=True, timeout=10)
    quiet = site.send("add", 1, 1)
    site.result(quiet)
    control.enable_events(destination=["main@site"], reply=True, timeout=10)
    loud = site.send("add", 1, 1)
    wait_until("its events", lambda: "task-succeeded" in types_of(told, loud.id))
    assert "task-succeeded" not in types_of(told, quiet.id)


def test_events_are_dumped(site: Site) -> None:
    """`celery events --dump` prints them as they come."""
    dump = site.begin("events", "--dump").wait_for("evdump: starting")
    tasks: list[Any] = []

    def is_told() -> bool:
        tasks.append(site.send("add", 1, 1))
        site.result(tasks[-1])
        return any("main@site [" in dump.log and task.id in dump.log for task in tasks)

    wait_until("a task in the dump", is_told)
    dump.kill()


class Flower:
    """The real Flower, and its HTTP interface."""

    def __init__(self, site: Site) -> None:
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        options = ("--address=127.0.0.1", f"--port={port}", "--inspect_timeout=1000")
        self.program = site.begin("flower", *options).wait_for("Connected to")
        wait_until("its answer", lambda: self.get("/healthcheck")[0] == 200)

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        """Status and body; 0 where it does not listen."""
        request = urllib.request.Request(self._url + path, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except urllib.error.URLError:
            return 0, ""

    def json(self, path: str, method: str = "GET") -> Any:
        """What it answers."""
        status, body = self.get(path, method)
        assert status == 200, body
        return json.loads(body)


@pytest.fixture(scope="module")
def flower(site: Site) -> Iterator[Flower]:
    flower = Flower(site)
    yield flower
    flower.program.kill()


def test_flower_shows_the_worker(site: Site, flower: Flower) -> None:
    """In its interface and on its page: alive, with its queues and its pool."""
    wait_until("the worker", lambda: "stats" in flower.json("/api/workers?refresh=1").get("main@site", {}))
    worker = flower.json("/api/workers")["main@site"]
    assert worker["stats"]["pool"]["max-concurrency"] == 2
    assert [queue["name"] for queue in worker["active_queues"]] == [site.queue]
    wait_until("it to be online", lambda: flower.json("/api/workers?status=1").get("main@site") is True)
    status, page = flower.get("/workers")
    assert status == 200
    assert "main@site" in page


def test_flower_shows_a_task(site: Site, flower: Flower) -> None:
    """With its state, its worker and its result."""
    sent = site.send("add", 20, 22)

    def succeeded() -> bool:
        return bool(flower.json("/api/tasks").get(sent.id, {}).get("state") == "SUCCESS")

    wait_until("its success", succeeded)
    task = flower.json(f"/api/task/info/{sent.id}")
    assert (task["name"], task["result"], task["worker"]) == ("add", "42", "main@site")
    status, page = flower.get(f"/task/{sent.id}")
    assert status == 200
    assert sent.id in page


def test_flower_sends_and_revokes_tasks(site: Site, flower: Flower) -> None:
    """From its interface."""
    name = unique("hold")
    with site.holding(name) as held:
        flower.json(f"/api/task/revoke/{held.id}?terminate=true&signal=SIGKILL", "POST")
        with pytest.raises(TaskRevokedError):
            site.result(held)


def test_flower_controls_the_worker(site: Site, flower: Flower) -> None:
    """It consumes from one more queue, and from one less."""
    wait_until("the worker", lambda: "main@site" in flower.json("/api/workers"))
    queue = unique("more")
    flower.json(f"/api/worker/queue/add-consumer/main@site?queue={queue}", "POST")
    assert site.run("add", 1, 1, queue=queue) == 2
    flower.json(f"/api/worker/queue/cancel-consumer/main@site?queue={queue}", "POST")


def test_flower_s_broker_page(site: Site, flower: Flower) -> None:
    """It asks RabbitMQ's management plugin, and knows no other broker of AMQP's kind: ours has the admin."""
    status, _ = flower.get("/broker")
    assert status == {"rabbitmq": 200, "postgres": 404}[site.broker.name]
