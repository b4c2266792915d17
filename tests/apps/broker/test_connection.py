"""kombu.Connection: what it says of itself, and what it does when a server is away or refuses."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from kombu import Connection
from kombu.exceptions import OperationalError

from tests.apps.broker.brokers import Broker, Wire
from tests.apps.broker.client import Client, unique
from tests.ports import free_port

Connect = Callable[..., Client]
AT_ONCE: dict[str, Any] = {"interval_start": 0, "interval_step": 0}


def test_it_connects_when_it_is_used(broker: Broker) -> None:
    """Not earlier; and not any more once released."""
    with Connection(broker.url) as connection:
        assert not connection.connected
        assert connection.default_channel
        assert connection.connected
    assert not connection.connected


def test_it_can_be_released_twice_and_used_again(broker: Broker) -> None:
    """Releasing is for cleaning up: it never fails."""
    connection = Connection(broker.url)
    connection.connect()
    connection.release()
    connection.release()
    connection.connect()
    assert connection.connected
    connection.release()


def test_a_server_that_is_away_is_kombu_s_own_error(broker: Broker) -> None:
    """kombu.exceptions.OperationalError, as its documentation says of ensure_connection."""
    with Connection(broker.at(free_port())) as away, pytest.raises(OperationalError):
        away.ensure_connection(max_retries=1, **AT_ONCE)


def test_connecting_without_ensuring_raises_a_recoverable_error(broker: Broker) -> None:
    """The transport raises what it says can be recovered from, when it connects and not later."""
    with Connection(broker.at(free_port())) as away, pytest.raises(away.recoverable_connection_errors):
        away.transport.establish_connection()


def test_a_channel_of_a_server_that_is_away_is_kombu_s_own_error(broker: Broker) -> None:
    """Celery's producers come this way; the options are those of the transport."""
    options = {"max_retries": 1, **AT_ONCE}
    with (
        Connection(broker.at(free_port()), transport_options=options) as away,
        pytest.raises(OperationalError),
    ):
        assert away.default_channel


def test_each_failed_try_is_told_with_the_pause_that_follows(broker: Broker) -> None:
    """errback takes the error and seconds that grow; callback is called at each turn."""
    told: list[float] = []
    turns: list[str] = []
    with Connection(broker.at(free_port())) as away, pytest.raises(OperationalError):
        away.ensure_connection(
            lambda _, interval: told.append(round(interval, 2)),
            max_retries=3,
            interval_start=0.01,
            interval_step=0.01,
            callback=lambda: turns.append("turn"),
        )
    assert told == [0.01, 0.02, 0.03]
    assert len(turns) == 3


@pytest.mark.parametrize("several", ["one string", "a list", "alternates"])
def test_it_goes_on_to_the_next_server(broker: Broker, wire: Wire, several: str) -> None:
    """Of several servers the first is away: it is told of that one, and connects to the other."""
    away, there = broker.at(free_port()), broker.at(wire.port)
    kinds: dict[str, tuple[Any, Any]] = {
        "one string": (f"{away};{there}", None),
        "a list": ([away, there], None),
        "alternates": (away, [away, there]),
    }
    hostname, alternates = kinds[several]
    told: list[str] = []
    with Connection(hostname, alternates=alternates) as connection:
        connection.ensure_connection(lambda *_: told.append(connection.as_uri()), 3, **AT_ONCE)
        assert connection.connected
        assert connection.as_uri() == Connection(there).as_uri()
        assert told == [Connection(away).as_uri()]
        assert connection.default_channel


def test_it_goes_on_to_the_next_server_when_one_is_lost(broker: Broker, wire: Wire) -> None:
    """ensure() publishes through the second server after the first has gone."""
    queue_name = unique()
    with Wire(broker) as second, Connection(f"{broker.at(wire.port)};{broker.at(second.port)}") as connection:
        simple = connection.SimpleQueue(queue_name)
        wire.unplug()
        simple.producer.publish("moved", routing_key=queue_name, retry=True, retry_policy=AT_ONCE)
        assert connection.as_uri() == Connection(broker.at(second.port)).as_uri()
    with Connection(broker.url) as connection:
        assert connection.SimpleQueue(queue_name).get(timeout=10).payload == "moved"


def test_a_lost_connection_is_a_recoverable_error(broker: Broker, wire: Wire, connect: Connect) -> None:
    """Whoever waits for events learns it, and connects again by using the connection."""
    client = connect(broker.at(wire.port))
    inbox = client.inbox(client.queue())
    wire.cut()
    with pytest.raises(client.connection.recoverable_connection_errors) as caught:
        inbox.wait(1)
    assert not isinstance(caught.value, TimeoutError)
    assert not client.connection.connected
    client.connection.collect()
    client.connection.ensure_connection(max_retries=3, **AT_ONCE)
    assert client.connection.connected
    assert client.connection.default_channel.connection


def test_a_lost_connection_closes_its_channels(broker: Broker, wire: Wire, connect: Connect) -> None:
    """A channel of the old connection is not used by mistake: kombu tells by its `connection`."""
    client = connect(broker.at(wire.port))
    inbox = client.inbox(client.queue())
    wire.cut()
    with pytest.raises(client.connection.recoverable_connection_errors):
        inbox.wait(1)
    client.connection.collect()
    assert client.channel.connection is None


def test_publishing_is_retried_over_a_new_connection(broker: Broker, wire: Wire, connect: Connect) -> None:
    """retry=True, and the errback is told why."""
    client = connect(broker.at(wire.port))
    queue = client.queue()
    wire.cut()
    told: list[Exception] = []
    policy = {"errback": lambda error, _: told.append(error), "max_retries": 3, **AT_ONCE}
    producer = client.connection.Producer()
    producer.publish("again", routing_key=queue.name, retry=True, retry_policy=policy)
    assert [m.payload for m in connect().take(queue)] == ["again"]
    assert told
    assert isinstance(told[0], client.connection.recoverable_connection_errors)


def test_publishing_without_retry_raises_a_recoverable_error(
    broker: Broker, wire: Wire, connect: Connect
) -> None:
    """The publisher decides; nothing was published."""
    client = connect(broker.at(wire.port))
    queue = client.queue()
    wire.unplug()
    with pytest.raises(client.connection.recoverable_connection_errors):
        client.put(queue, "lost")
    assert connect().count(queue) == 0


def test_autoretry_hands_over_the_new_channel(broker: Broker, wire: Wire, connect: Connect) -> None:
    """The function runs again with a channel that works."""
    client = connect(broker.at(wire.port))
    queue = client.queue()
    wire.cut()

    def size(channel: Any) -> int:
        return int(queue(channel).queue_declare(passive=True).message_count)

    (found, channel) = client.connection.autoretry(size, client.channel, max_retries=3, **AT_ONCE)()
    assert found == 0
    assert channel is client.connection.default_channel


def test_the_password_is_hidden(broker: Broker) -> None:
    """as_uri() is for logs; with include_password it is for connecting."""
    scheme = broker.url.partition("://")[0]
    connection = Connection(f"{scheme}://someone:secret@example.org:1234/place")
    assert "secret" not in connection.as_uri()
    assert "someone" in connection.as_uri()
    assert "example.org:1234" in connection.as_uri()
    assert "secret" in connection.as_uri(include_password=True)
    assert "secret" not in repr(connection)
    assert Connection(connection.as_uri(include_password=True)).as_uri() == connection.as_uri()


def test_it_tells_what_it_was_made_of(broker: Broker) -> None:
    """info() has what another connection is made from."""
    with Connection(broker.url, connect_timeout=3, heartbeat=7) as connection:
        info = connection.info()
        assert info["connect_timeout"] == 3
        assert info["heartbeat"] == 7
        with Connection(**info) as again:
            again.connect()
            assert again.as_uri() == connection.as_uri()


@pytest.mark.parametrize("way", [Connection.clone, copy.copy, lambda it: pickle.loads(pickle.dumps(it))])
def test_a_copy_leads_to_the_same_server(broker: Broker, way: Callable[[Connection], Connection]) -> None:
    """clone(), copy and pickle: another connection, not yet connected."""
    with Connection(broker.url) as connection:
        connection.connect()
        with way(connection) as twin:
            assert not twin.connected
            assert twin.as_uri() == connection.as_uri()
            assert twin.default_channel
            assert twin.connection is not connection.connection


def test_a_clone_keeps_its_alternates(broker: Broker, wire: Wire) -> None:
    """A producer pool clones: failover must work in the clone as well."""
    away, there = broker.at(free_port()), broker.at(wire.port)
    with Connection(f"{away};{there}") as first, first.clone() as twin:
        twin.ensure_connection(max_retries=3, **AT_ONCE)
        assert twin.as_uri() == Connection(there).as_uri()


def test_heartbeats_can_be_checked_anywhere(client: Client) -> None:
    """ConsumerMixin calls it after each silence, whatever the transport."""
    client.connection.heartbeat_check()
    assert client.connection.get_heartbeat_interval() >= 0
    assert isinstance(client.connection.supports_heartbeats, bool)


def test_a_heartbeat_can_be_asked_for(connect: Connect) -> None:
    """Celery asks for one by default; ours has TCP's keepalive instead, and does not mind."""
    client = connect(heartbeat=60)
    client.connection.heartbeat_check(rate=2)
    interval = client.connection.get_heartbeat_interval()
    assert interval == 60 if client.connection.supports_heartbeats else interval == 0


def test_it_says_what_it_supports(client: Client) -> None:
    """Direct, topic, fanout, and Celery's event loop."""
    for kind in ("direct", "topic", "fanout"):
        assert client.connection.supports_exchange_type(kind)
    assert not client.connection.supports_exchange_type("carrier-pigeon")
    assert client.connection.is_evented


def test_its_transport_has_a_name_and_a_version(client: Client) -> None:
    """`celery report` prints them."""
    transport = client.connection.transport
    assert transport.driver_name != "N/A"
    assert transport.driver_version() != "N/A"


def test_waiting_for_events_ends_in_time(client: Client) -> None:
    """With a socket.timeout, which is Python's TimeoutError."""
    client.inbox(client.queue())
    with pytest.raises(TimeoutError):
        client.connection.drain_events(timeout=0.05)
    assert client.connection.connected


def test_waiting_for_no_time_is_a_look(client: Client) -> None:
    """timeout=0, as an event loop does it, raises a timeout or nothing, and stays connected."""
    client.inbox(client.queue())

    def look() -> None:
        while True:  # there may be answers that nobody waited for
            client.connection.drain_events(timeout=0)

    with pytest.raises(TimeoutError):
        look()
    assert client.connection.connected


def test_channels_are_numbered_and_closed_one_by_one(client: Client) -> None:
    """Closing one leaves the others."""
    first, second = client.connection.channel(), client.connection.channel()
    assert first.channel_id != second.channel_id
    first.close()
    assert not first.is_open
    assert second.is_open
    assert second.queue_declare(unique(), auto_delete=True).message_count == 0


def test_a_closed_connection_closes_its_channels(client: Client) -> None:
    """kombu tells by `connection`, which is None then."""
    channel = client.connection.channel()
    client.connection.release()
    assert channel.connection is None
