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
from tests.boot.supervision.fakes import facts

Captured = pytest.CaptureFixture[str]


def _process(name: str) -> SimpleNamespace:
    """As much of a process as an event has to name."""
    return SimpleNamespace(config=SimpleNamespace(name=name), pid=1, backoff=1)


def test_it_writes_named_lines(capfd: Captured) -> None:
    """As text, each with its program's name."""
    Output(facts()).say("doorito", "one", "two")
    assert capfd.readouterr().out == "doorito       | one\ndoorito       | two\n"


def test_supervisords_own_records_are_lines_as_well(capfd: Captured) -> None:
    """Except the one that warns of a socket without a password: its folder is private."""
    output = Output(facts(log_format="json"))
    output.emit(LogRecord(LevelsByName.INFO, "spawned: 'web' with pid 1"))
    output.emit(
        LogRecord(LevelsByName.CRIT, "Server 'unix' running without any HTTP authentication checking")
    )
    (line,) = capfd.readouterr().out.splitlines()
    record = json.loads(line)
    assert record["program"] == "supervisord"
    assert record["message"] == "spawned: 'web' with pid 1"
    assert record["level"] == "INFO"


def test_a_new_process_has_said_nothing_yet(capfd: Captured) -> None:
    """What the one before it said last is no reason why this one ended."""
    output, process = Output(facts()), _process("web")
    output.subscribe()
    try:
        events.notify(events.ProcessLogStdoutEvent(process, 1, b"all is well\n"))
        assert output.last_line("web") == "all is well"
        events.notify(events.ProcessStateStartingEvent(process, 0))
        assert output.last_line("web") == ""
    finally:
        events.clear()


def test_lines_of_two_programs_do_not_mix(capfd: Captured) -> None:
    """Each has a buffer of its own; what one leaves unfinished comes out when it ends."""
    output = Output(facts())
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
        "from boot.supervision.output import Output\n"
        "from tests.boot.supervision.fakes import facts\n"
        "output = Output(facts())\nfor _ in range(9999): output.say('web', 'x' * 99)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=BASE_DIR, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.close()
    assert process.wait(30) == 0


def test_the_last_line_of_a_program_is_remembered() -> None:
    """It is the cause that a failure names; empty ones say nothing."""
    output = Output(facts())
    output.subscribe()
    try:
        assert output.last_line("web") == ""
        events.notify(events.ProcessLogStdoutEvent(_process("web"), 1, b"one\ntwo\n  \nrest"))
        assert output.last_line("web") == "two"
        events.notify(events.ProcessStateBackoffEvent(_process("web"), "STARTING"))
        assert output.last_line("web") == "rest"
    finally:
        events.clear()


def test_a_traceback_is_one_object(capfd: Captured) -> None:
    """Once something follows it, its program ends, or a moment has passed."""
    output = Output(facts(log_format="json"))
    output.subscribe()
    text = b"Traceback (most recent call last):\n  File x\nValueError: y\n"
    try:
        events.notify(events.ProcessLogStdoutEvent(_process("web"), 1, text))
        assert capfd.readouterr().out == ""
        assert output.until_due(0.0) is not None
        output.turn(float("inf"))
        (line,) = capfd.readouterr().out.splitlines()
        assert json.loads(line)["message"] == text.decode().rstrip()
        assert output.until_due(0.0) is None
        events.notify(events.ProcessLogStdoutEvent(_process("web"), 1, text))
        events.notify(events.ProcessStateExitedEvent(_process("web"), "RUNNING"))
        assert len(capfd.readouterr().out.splitlines()) == 1
    finally:
        events.clear()


def test_a_terminal_gets_colours(capfd: Captured) -> None:
    """A colour of its own for a program, and bad levels in theirs."""
    output = Output(facts(is_coloured=True))
    output.say("web", "2026-11-25 10:00:00,000 ERROR x: broken", "plain")
    bad, plain = capfd.readouterr().out.splitlines()
    assert bad.endswith("\x1b[31m2026-11-25 10:00:00,000 ERROR x: broken\x1b[0m")
    assert plain.endswith("web           |\x1b[0m plain")
