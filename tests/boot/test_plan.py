"""What a reload hands to supervisord."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from boot import plan
from boot.plan import NotOurs, Plan

PLAN = Plan({"SECRET": "s3cr3t\r\n\x1b", "ODD": "\udcff"}, {"role": "all"}, {"a.conf": "[program:a]\n"})


def test_it_arrives_as_it_was_left_and_is_gone(tmp_path: Path) -> None:
    """Line ends, control characters and bytes that are not UTF-8 as well; nobody else may read it."""
    plan.leave(tmp_path, PLAN)
    assert stat.S_IMODE((tmp_path / plan.NAME).stat().st_mode) == 0o600
    assert plan.take(tmp_path) == PLAN
    assert list(tmp_path.iterdir()) == []


def test_a_newer_one_takes_the_place_of_one_that_nobody_took(tmp_path: Path) -> None:
    """A reload was interrupted."""
    plan.leave(tmp_path, PLAN)
    plan.leave(tmp_path, PLAN._replace(environ={"A": "1"}))
    assert plan.take(tmp_path).environ == {"A": "1"}


def test_one_that_others_could_have_written_is_refused(tmp_path: Path) -> None:
    """Whoever may use the socket is not to say what programs run in."""
    plan.leave(tmp_path, PLAN)
    (tmp_path / plan.NAME).chmod(0o660)
    with pytest.raises(NotOurs):
        plan.take(tmp_path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Nor is there always a plan."""
    with pytest.raises(FileNotFoundError):
        plan.take(tmp_path)
    (tmp_path / "elsewhere").write_text("{}")
    (tmp_path / plan.NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        plan.take(tmp_path)
