"""What supervisord's process writes on its standard output."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
from supervisor import events
from supervisor.loggers import LevelsByName, LogRecord

from boot.places import BASE_DIR
from boot.supervision.output import Output

Captured = pytest.CaptureFixture[str]


def _process(name: str) -> SimpleNamespace:
    """As much of a process as an event has to name."""
    return SimpleNamespace(config=SimpleNamespace(name=name), pid=1)


def test_it_writes_named_lines(capfd: Captured) -> None:
    """As text, each with its program's name."""
    Output("text").say("doorito", "one", "two")
    assert capfd.readouterr().out == "doorito       | one\ndoorito       | two\n"


def test_supervisords_own_records_are_lines_as_well(capfd: Captured) -> None:
    """Except the one that warns of a socket without a password: its folder is private."""
    output = Output("json")
    output.emit(LogRecord(LevelsByName.INFO, "spawned: 'web' with pid 1"))
    output.emit(
        LogRecord(LevelsByName.CRIT, "Server 'unix' running without any HTTP authentication checking")
    )
    (line,) = capfd.readouterr().out.splitlines()
    record = json.loads(line)
    assert record["program"] == "supervisord"
    assert record["message"] == "spawned: 'web' with pid 1"
    assert record["level"] == "INFO"


def test_lines_of_two_programs_do_not_mix(capfd: Captured) -> None:
    """Each has a buffer of its own; what one leaves unfinished comes out when it ends."""
    output = Output("text")
    output.subscribe()
    try:
        for name, data in (("web", b"one "), ("celery-beat", b"tick\n"), ("web", b"line\nrest")):
            events.notify(events.ProcessLogStdoutEvent(_process(name), 1, data))
        assert capfd.readouterr().out == "celery-beat   | tick\nweb           | one line\n"
        events.notify(events.ProcessStateExitedEvent(_process("web"), "RUNNING"))
        assert capfd.readouterr().out == "web           | rest\n"
    finally:
        events.clear()


def test_a_reader_that_has_gone_is_no_reason_to_stop() -> None:
    """`doorito run | head` ends no program."""
    script = (
        "from boot.supervision.output import Output as O\nfor _ in range(999): O('text').say('web', 'x' * 99)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=BASE_DIR, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.close()
    assert process.wait(30) == 0
