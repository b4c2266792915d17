"""What a reload makes of what a start was given."""

from __future__ import annotations

from boot import env, reload
from boot.start import Start


def test_what_came_of_the_file_is_left_to_the_file() -> None:
    """It is read again; what was given by the process environment stays."""
    started_with = {"A": "given", "B": "of the file", "PATH": "/bin"}
    facts = {"not_given": ["B"], "env_file": "/etc/site/environment"}
    assert reload.base_environment(started_with, facts) == {
        "A": "given",
        "PATH": "/bin",
        "DOORITO_ENV_FILE": "/etc/site/environment",
    }


def test_without_a_file_nothing_is_left_out() -> None:
    """And none is named."""
    assert reload.base_environment({"A": "1"}, {"not_given": [], "env_file": ""}) == {"A": "1"}


def test_what_only_a_start_can_change_is_named() -> None:
    """By the variables that somebody would have changed."""
    before = {"probe": ["127.0.0.1", 8000], "postmaster_file": "/a", "embedded": False}
    assert reload.fixed(before, dict(before)) == []
    assert reload.fixed(before, before | {"probe": ["127.0.0.1", 8001]}) == ["WEB_BIND or WEB_PORT"]
    assert reload.fixed(before, before | {"embedded": True, "postmaster_file": "/b"}) == [
        "DOORITO_STATE_DIR",
        "DATABASE_URL or DOORITO_EMBEDDED_POSTGRES",
    ]


def test_what_only_the_first_start_knows_holds_for_ever() -> None:
    """What it was not given, and whether its log goes to a terminal."""
    before = {"not_given": ["A", "B"], "coloured": True, "role": "all"}
    after = {"not_given": ["B", "C"], "coloured": False, "role": "all", "backlog": 64}
    assert reload.continued(before, after) == {
        "not_given": ["A", "B", "C"], "coloured": True, "role": "all", "backlog": 64
    }  # fmt: skip


def test_places_that_a_start_fills_in_are_not_given_to_it() -> None:
    """Or its defaults would win over the file for ever."""
    facts = Start("all", False, env.load({"WEB_PORT": "8123"})).facts()
    assert {"DOORITO_RUNTIME_DIR", "MEDIA_ROOT", "STATIC_ROOT"} <= set(facts["not_given"])
    assert "WEB_PORT" not in facts["not_given"]
