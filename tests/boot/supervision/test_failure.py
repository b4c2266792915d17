"""What a program that cannot be kept running means."""

from __future__ import annotations

from typing import Any

import pytest
from supervisor.states import SupervisorStates

from boot.supervision.failure import Failure
from boot.supervision.restarts import Restarts
from tests.boot.supervision.fakes import Process, event, facts, supervisord


class Said:
    """An output that keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, _: str, *lines: str) -> None:
        self.lines += lines

    def last_line(self, program: str) -> str:
        return f"the last word of {program}"


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def options() -> Any:
    return supervisord().options


def failure(options: Any, said: Any, on_failure: str = "exit") -> Failure:
    return Failure(options, facts(on_failure=on_failure), Restarts(most=2, within_s=60), said)


WEB = event(Process("web"))


def test_one_death_too_many_ends_the_stack(options: Any, said: Said) -> None:
    """With its cause: how its last process ended, and what that said last."""
    found = failure(options, said)
    for _ in range(2):
        found.on_death(WEB)
    assert options.mood == SupervisorStates.RUNNING
    found.on_death(WEB)
    assert options.mood == SupervisorStates.SHUTDOWN
    cause = "web ended 3 times within 0 s (terminated by SIGKILL); it last said: the last word of web"
    assert found.cause == cause


def test_one_that_never_started_ends_the_stack(options: Any, said: Said) -> None:
    """supervisord has tried long enough."""
    found = failure(options, said)
    found.on_fatal(WEB)
    assert options.mood == SupervisorStates.SHUTDOWN
    assert found.cause == (
        "web could not be started, however often it was tried; it last said: the last word of web"
    )


def test_one_that_could_not_even_be_begun_tells_supervisords_reason(options: Any, said: Said) -> None:
    """Another program's end is not its own."""
    found, process = failure(options, said), Process("web", pid=0)
    process.spawnerr = "can't find command 'gunicorn'"
    found.on_failed_start(event(process))
    found.on_fatal(event(process))
    assert found.cause
    assert "(can't find command 'gunicorn')" in found.cause


def test_others_may_be_kept_up(options: Any, said: Said) -> None:
    """It is said, and counted anew: not with every further death."""
    found = failure(options, said, "keep")
    for _ in range(5):
        found.on_death(WEB)
    found.on_fatal(WEB)
    assert options.mood == SupervisorStates.RUNNING
    assert found.cause is None
    assert [line.split(";")[0] for line in said.lines] == [
        "web ended 3 times within 0 s (terminated by SIGKILL)",
        "web could not be started, however often it was tried (terminated by SIGKILL)",
    ]


def test_a_stop_is_no_failure(options: Any, said: Said) -> None:
    """What dies meanwhile was told to."""
    options.mood = SupervisorStates.SHUTDOWN
    found = failure(options, said)
    for _ in range(5):
        found.on_death(WEB)
    found.on_fatal(WEB)
    assert found.cause is None
    assert said.lines == []


def test_a_stop_by_hand_begins_a_new_count(options: Any, said: Said) -> None:
    """Somebody looks after it."""
    found = failure(options, said)
    for _ in range(2):
        found.on_death(WEB)
    found.on_stopped(WEB)
    found.on_death(WEB)
    assert found.cause is None


def test_another_setting_may_come_later(options: Any, said: Said) -> None:
    """By a reload."""
    found = failure(options, said)
    found.take(facts(on_failure="keep"))
    found.on_fatal(WEB)
    assert found.cause is None
