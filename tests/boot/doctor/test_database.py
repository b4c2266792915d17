"""What the database says of itself, asked for real."""

from __future__ import annotations

import pytest

from boot.doctor import clock, database
from boot.doctor.finding import Level


@pytest.mark.django_db(transaction=True)
def test_a_real_server_answers_all_questions() -> None:
    """Its version, its limits, who is connected, its clock, and that all migrations are applied."""
    said = database.look()
    assert (said.vendor, said.reason, said.pending_reason) == ("postgresql", None, None)
    assert said.version
    assert said.version // 10_000 == 16
    assert (said.max_connections, said.reserved) == (100, 3)
    assert said.here >= 0
    assert said.others >= 0
    assert not said.is_pooled
    assert said.pending == ()
    assert (said.broker, said.broker_reason, said.broker_lacks) == ("default", None, None)
    assert not said.is_broker_shared


@pytest.mark.django_db
def test_two_clocks_of_one_machine_agree() -> None:
    """To a millisecond beyond what half the round trip leaves in doubt."""
    said = database.look()
    assert said.clock_ahead_s is not None
    assert abs(said.clock_ahead_s) <= said.clock_doubt_s + 0.001
    assert clock.check(said).level is Level.OK
