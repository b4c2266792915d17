"""The stop budget against what is granted."""

from __future__ import annotations

import math

import pytest

from boot.doctor import stop
from boot.doctor.finding import Level
from boot.doctor.grant import Grant
from tests.boot.doctor.deployments import deployment


@pytest.mark.parametrize(
    ("granted", "level"),
    [(130, Level.OK), (math.inf, Level.OK), (129, Level.WARNING), (120, Level.WARNING), (90, Level.ERROR)],
)
def test_the_grant_exceeds_the_budget_by_a_margin(granted: float, level: Level) -> None:
    """Less than the budget is an error: programs are killed before their time is over."""
    setting = "`TimeoutStopSec={seconds}` in doorito.service"
    finding = stop.enough(Grant("doorito.service", granted, 120, setting))
    assert finding.level is level
    assert f"grants {granted:g} s, STOP_BUDGET_S is 120" in finding.message
    assert (finding.mend == "") is (level is Level.OK)
    assert level is Level.OK or "`TimeoutStopSec=130`" in finding.mend


def test_where_nobody_tells_the_number_is_said() -> None:
    """For whoever writes the Compose file, the unit, or stops the container by hand."""
    finding = stop.unknown(120, "from inside a container")
    assert finding.level is Level.SKIPPED
    for part in ("stop_grace_period: 130s", "docker stop --time 130", "TimeoutStopSec=130"):
        assert part in finding.mend


def test_a_budget_that_cannot_be_read_is_not_checked() -> None:
    """The variable is an error already."""
    (finding,) = stop.check(deployment(STOP_BUDGET_S="soon"))
    assert finding.message == "not checked: STOP_BUDGET_S could not be read"
