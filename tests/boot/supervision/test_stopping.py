"""Who is told to stop when."""

from __future__ import annotations

from boot.supervision.stopping import to_stop, until_next

ALL = ["celery-beat", "celery-worker", "web", "postgres"]


def test_those_that_do_not_need_each_other_stop_at_once() -> None:
    """And the database after all of them."""
    assert to_stop(ALL, begun_s=0.0, drain_s=0.0) == ["celery-beat", "celery-worker", "web"]
    assert to_stop(["web", "postgres"], begun_s=3.0, drain_s=0.0) == ["web"]
    assert to_stop(["postgres"], begun_s=3.0, drain_s=0.0) == ["postgres"]
    assert to_stop([], begun_s=3.0, drain_s=0.0) == []


def test_the_web_server_goes_on_while_it_drains() -> None:
    """The others do not wait for that."""
    assert to_stop(ALL, begun_s=0.0, drain_s=5.0) == ["celery-beat", "celery-worker"]
    assert until_next(ALL, begun_s=2.0, drain_s=5.0) == 3.0
    assert to_stop(["web", "postgres"], begun_s=5.0, drain_s=5.0) == ["web"]
    assert until_next(["web", "postgres"], begun_s=5.0, drain_s=5.0) is None
    assert until_next(["celery-worker"], begun_s=0.0, drain_s=5.0) is None
