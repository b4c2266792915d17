"""Asking /readyz inside of a loop that must not wait."""

from __future__ import annotations

import json
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from supervisor.medusa import asyncore_25 as asyncore

from boot.health import ANSWER_S, Address, Health
from boot.supervision.probe import Probe


def turn(probe: Probe, seconds: float = 10.0) -> None:
    """As supervisord's loop does: poll, let members handle what has come, until the probe has its answer."""
    deadline = time.monotonic() + seconds
    while probe.answer is None and time.monotonic() < deadline:
        poll = select.poll()
        for descriptor, member in asyncore.socket_map.items():
            poll.register(
                descriptor,
                (select.POLLIN if member.readable() else 0) | (select.POLLOUT if member.writable() else 0),
            )
        for descriptor, _ in poll.poll(100):
            member = asyncore.socket_map.get(descriptor)
            if member is None:
                continue
            try:
                if member.writable():
                    member.handle_write_event()
                else:
                    member.handle_read_event()
            except OSError:
                member.handle_error()


@pytest.fixture(params=["address", "path"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Address, socket.socket]]:
    """A socket that listens, and its address for a probe."""
    if request.param == "path":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(tmp_path / "web.sock"))
            listening.listen()
            yield Address.of(str(tmp_path / "web.sock")), listening
    else:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            yield Address.of(["127.0.0.1", listening.getsockname()[1]]), listening


def answer_once(listening: socket.socket, status: int, body: object) -> None:
    """In two pieces, as a slow server would."""
    connection, _ = listening.accept()
    with connection:
        connection.recv(4096)
        text = f"HTTP/1.1 {status} X\r\n\r\n{json.dumps(body)}".encode()
        connection.sendall(text[:10])
        time.sleep(0.05)
        connection.sendall(text[10:])


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"ready": True, "reasons": []}, Health("web", True)),
        (503, {"ready": False, "reasons": ["2 migrations"]}, Health("web", False, ("2 migrations",))),
        (404, "?", Health("web", False, ("/readyz answers 404, and not in Doorito's words",))),
    ],
)
def test_the_answer_comes_by_and_by(
    server: tuple[Address, socket.socket], status: int, body: object, expected: Health
) -> None:
    """Whoever waits is told; nothing is left in the loop."""
    address, listening = server
    thread = threading.Thread(target=answer_once, args=(listening, status, body))
    thread.start()
    told: list[bool] = []
    members = dict(asyncore.socket_map)
    probe = Probe(address, lambda: told.append(True))
    assert probe.answer is None
    turn(probe)
    thread.join()
    assert probe.answer == expected
    assert told == [True]
    assert asyncore.socket_map == members


def test_nobody_there() -> None:
    """A refused connection is an answer."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = Address.of(["127.0.0.1", gone.getsockname()[1]])
    probe = Probe(address, lambda: None)
    turn(probe)
    assert probe.answer == Health(
        "web", False, (f"/readyz does not answer on {address} (Connection refused)",)
    )


def test_no_socket_there(tmp_path: Path) -> None:
    """Nor a file: it is known at once."""
    probe = Probe(Address.of(str(tmp_path / "none.sock")), lambda: None)
    assert probe.answer
    assert "No such file" in probe.answer.reasons[0]


def test_a_connection_that_is_reset_is_an_answer(server: tuple[Address, socket.socket]) -> None:
    """Or closed without a word."""
    address, listening = server
    probe = Probe(address, lambda: None)
    connection, _ = listening.accept()
    connection.close()
    turn(probe)
    assert probe.answer
    assert not probe.answer.ready


def test_one_that_never_answers_is_given_up(server: tuple[Address, socket.socket]) -> None:
    """After the time that whoever probes has."""
    address, _ = server
    probe = Probe(address, lambda: None)
    probe.expire(time.monotonic() + ANSWER_S - 1)
    assert probe.answer is None
    probe.expire(time.monotonic() + ANSWER_S)
    assert probe.answer
    assert os.strerror(110) in probe.answer.reasons[0]
