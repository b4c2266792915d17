"""A session's end, when it was not a clean one."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Exchange, Queue

import boot.celery  # noqa: F401 - it registers the transport for sqla+postgresql
from apps.broker import chores, session, sql
from apps.broker.errors import ConnectionLost, NotFound
from tests.apps.broker.durable import durable_broker
from tests.servers.network import network
from tests.servers.postgres import Postgres
from tests.system.stack import wait_until

PARCELS = Queue("parcels")
MAILBOX = Queue("mailbox", Exchange("mail", type="fanout"), exclusive=True, auto_delete=True, durable=False)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server with the broker's tables."""
    with durable_broker() as running:
        yield running


def connect(url: str, **options: Any) -> Any:
    connection = Connection(f"sqla+{url}", **options)
    connection.connect()
    return connection


def owned(server: Postgres, id_: int) -> bool:
    """Whether somebody holds the lock of the session of this id."""
    query = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objid = %s AND granted"
    with server.connect() as connection:
        return bool(connection.execute(query, [sql.LOCK_SPACE, id_]).fetchall())


def test_a_connection_that_is_forgotten_owns_nothing_any_more(server: Postgres) -> None:
    """Its lock ends with its memory: it is not handed on by the pool with what it had."""
    connection = connect(server.url)
    id_ = connection.connection.session.id
    assert owned(server, id_)
    del connection
    gc.collect()
    wait_until("the end of its session", lambda: not owned(server, id_))


def test_connections_of_one_process_know_what_each_has_prepared(server: Postgres) -> None:
    """They take turns with the pool's connections, and begin with different statements."""
    for queue in ("one", "two"):
        with connect(server.url) as connection:
            channel = connection.channel()
            if queue == "two":
                channel.exchange_declare("parcels", "fanout", durable=False, auto_delete=True)
            Queue(queue)(channel).declare()
            connection.Producer(channel).publish("a parcel", routing_key=queue)


def test_connections_that_are_over_leave_no_descriptor_open(server: Postgres) -> None:
    """Whether they published or consumed, and whether they were closed or given up."""
    gc.collect()
    with connect(server.url) as first:
        PARCELS(first).declare()
    gc.disable()
    try:
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(10):
            with connect(server.url) as connection:
                connection.Producer().publish("a parcel", routing_key=PARCELS.name)
            with connect(server.url) as connection:
                assert connection.channel().basic_get(PARCELS.name)
            lost = connect(server.url)
            assert lost.connection.session.id
            lost.collect()
        assert len(list(Path("/proc/self/fd").iterdir())) <= before
    finally:
        gc.enable()


def test_whoever_waits_for_an_answer_is_woken_when_the_connection_is_given_up(server: Postgres) -> None:
    """In another thread, by an error and not by the end of the process."""
    connection = connect(server.url)
    used = connection.connection.session
    caught: list[BaseException] = []

    def wait() -> None:
        try:
            used.run("SELECT pg_sleep(600)")
        except ConnectionLost as error:
            caught.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until("its statement", lambda: used.wire.is_waiting)
    connection.collect()
    thread.join(60)
    assert len(caught) == 1


def test_consumers_hear_of_a_connection_that_somebody_else_found_lost(server: Postgres) -> None:
    """Kombu would make another one without a word, and without the consumers."""
    with connect(server.url) as connection:
        PARCELS(connection).declare()
        with connection.Consumer([PARCELS], callbacks=[lambda body, message: None]):
            with server.connect() as administrator:
                administrator.execute("SELECT pg_terminate_backend(backend_pid) FROM broker_session")
            with pytest.raises(ConnectionLost):
                wait_until("its loss", lambda: connection.connection.session.run("SELECT 1") is None)
            with pytest.raises(connection.recoverable_connection_errors):
                connection.drain_events(timeout=60)
        assert not connection.connected


def test_whoever_reconnects_has_an_exclusive_queue_back_at_once(server: Postgres) -> None:
    """Although the server still believes in the connection that the network has cut."""
    with network(server.url) as net:
        old = connect(net.url)
        MAILBOX(old).declare()
        PARCELS(old).declare()
        old.Producer().publish("a parcel", routing_key=PARCELS.name)
        assert old.channel().basic_get(PARCELS.name).payload == "a parcel"
        id_ = old.connection.session.id
        net.cut_clients_off()
        with pytest.raises(old.recoverable_connection_errors):
            old.drain_events(timeout=60)
        assert owned(server, id_)
        old.collect()
        MAILBOX(old).declare()
        assert not owned(server, id_)
        messages: list[Any] = []
        with old.Consumer([PARCELS], on_message=lambda message: messages.append(message)):
            old.drain_events(timeout=60)
        assert messages[0].delivery_info["redelivered"]
        old.close()


def test_another_process_is_no_predecessor(server: Postgres) -> None:
    """An exclusive queue of a live connection stays locked, whoever asks."""
    with connect(server.url) as one, connect(server.url) as other:
        MAILBOX(one).declare()
        with pytest.raises(other.channel_errors, match="cannot obtain exclusive access"):
            MAILBOX(other).declare()
        assert owned(server, one.connection.session.id)


def test_a_number_that_is_somebody_elses_by_now_is_left_alone(server: Postgres) -> None:
    """In a database that is an older copy: the session of that number has another client."""
    with connect(server.url) as one, connect(server.url) as other:
        id_ = one.connection.session.id
        with server.connect() as connection:
            connection.execute("UPDATE broker_session SET client = 'another:1' WHERE id = %s", [id_])
        session._doubtful.add((one.connection.session._url, id_))
        assert other.connection.session.id
        assert owned(server, id_)
        assert (one.connection.session._url, id_) not in session._doubtful


def test_a_silent_network_is_noticed_by_the_heartbeat(server: Postgres) -> None:
    """No answer within a heartbeat is a lost connection, which is made again."""
    with network(server.url) as net:
        connection = connect(net.url, heartbeat=0.2)
        connection.heartbeat_check()
        net.fall_silent()
        with pytest.raises(connection.recoverable_connection_errors, match="no answer"):
            wait_until("the heartbeat to fail", lambda: connection.heartbeat_check())
        connection.collect()
        connection.connect()
        connection.heartbeat_check()
        connection.close()


def test_a_session_killed_for_idling_in_a_transaction_is_a_lost_connection(server: Postgres) -> None:
    """As any other: what uses it connects again."""
    with connect(server.url) as connection:
        used = connection.connection.session
        used.run("SET idle_in_transaction_session_timeout = 1")
        used.run("BEGIN")
        assert used.wire.wait(60)
        with pytest.raises(ConnectionLost):
            used.run("SELECT 1")


def test_an_interrupted_statement_ends_its_connection(server: Postgres) -> None:
    """A time limit in the middle of one: the next must not meet its answer."""
    with connect(server.url) as connection:
        session_ = connection.connection.session

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        try:
            with pytest.raises(KeyboardInterrupt):
                session_.run("SELECT pg_sleep(60)")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert not connection.connected
        connection.ensure_connection(max_retries=1)
        assert connection.connection.session.run("SELECT 1") == [(1,)]


def test_an_exclusive_queue_that_nobody_consumed_ends_with_its_connection(server: Postgres) -> None:
    """Closed in all form, which leaves no session to be found dead."""
    name = f"mine-{os.getpid()}"
    with connect(server.url) as one:
        one.channel().queue_declare(name, exclusive=True)
    with connect(server.url) as other, pytest.raises(NotFound):
        other.channel().queue_declare(name, passive=True)


def test_whoever_consumes_no_more_listens_to_nothing(server: Postgres) -> None:
    """Or what it is told would pile up unread, and stop all publishers at last."""
    with connect(server.url) as connection:
        channel = connection.channel()
        channel.queue_declare("heard", auto_delete=False)
        tag = channel.basic_consume("heard", callback=print)
        channel.basic_cancel(tag)
        assert connection.connection.session.run("SELECT pg_listening_channels()") == []


def test_what_is_lost_by_a_process_that_connects_again_is_no_death(server: Postgres) -> None:
    """Its task may still run; a worker that lives is not to make a dead letter of it."""
    with connect(server.url) as one, connect(server.url) as again, connect(server.url) as other:
        channel = one.channel()
        channel.queue_declare("spared", auto_delete=False)
        channel.basic_publish(channel.prepare_message("a parcel"), "", "spared")
        assert channel.basic_get("spared")
        lost = one.connection.session
        assert again.connection.session.id
        with server.connect() as connection:
            connection.execute("SELECT pg_terminate_backend(%s, 5000)", [lost.wire.backend_pid])
            chores.reap(other.connection.session, [lost.id], 1)
            rows = connection.execute("SELECT deaths, redelivered FROM broker_message WHERE queue = 'spared'")
            assert rows.fetchall() == [(0, True)]


def test_a_look_reads_no_more_than_the_head_of_a_queue(server: Postgres) -> None:
    """Its plan is made while the table is empty, and kept when there are a million rows."""
    with server.connect() as connection:
        connection.execute(sql.SETTINGS)
        plan = connection.execute("EXPLAIN (GENERIC_PLAN) " + sql.TICK).fetchall()
    text = "\n".join(row[0] for row in plan)
    assert "Hash Semi Join" not in text
    assert "Hash Join" not in text
    assert "Seq Scan on broker_message" not in text
    assert "Limit" in text
