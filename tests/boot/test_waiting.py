"""Waiting for what a start needs."""

from __future__ import annotations

import pytest

from boot import waiting

Captured = pytest.CaptureFixture[str]


def test_waiting_ends_when_nothing_is_missing(capsys: Captured) -> None:
    """What is missing is said once, not at each try."""
    answers = iter(["no route", "no route", None])
    waiting.wait("the database", 10, lambda: next(answers))
    assert capsys.readouterr().out == "waiting for the database (0 of 10 s): no route\n"


def test_waiting_is_given_up_in_time() -> None:
    """Exit status 69, with what was waited for, how long, and the last reason."""
    with pytest.raises(waiting.GiveUp, match="waiting for the database after 0 s: no route") as caught:
        waiting.wait("the database", 0, lambda: "no route")
    assert caught.value.status == 69


def test_two_databases_are_waited_for_at_once(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """Each is named by its variable for as long as it is away."""
    answers = {"default": iter(["refused", None, None]), "broker": iter(["no route", "no route", None])}
    monkeypatch.setattr(waiting, "database_reason", lambda alias, _: next(answers[alias]))
    monkeypatch.setattr(waiting, "RETRY_S", 0)
    monkeypatch.setattr(waiting, "REPORT_S", 0)
    waiting.wait_for_databases({"default": "DATABASE_URL", "broker": "CELERY_BROKER_URL"}, 10)
    assert capsys.readouterr().out.splitlines() == [
        "waiting for the databases (0 of 10 s): DATABASE_URL: refused; CELERY_BROKER_URL: no route",
        "waiting for the databases (0 of 10 s): CELERY_BROKER_URL: no route",
    ]
