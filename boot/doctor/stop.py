"""STOP_BUDGET_S against the time that whoever stops us grants before it kills."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from boot.doctor import compose, systemd
from boot.doctor.deployment import Deployment
from boot.doctor.finding import Finding, error, ok, skipped, warning
from boot.doctor.grant import Grant

CHECK: Final = "stop budget"
MARGIN_S: Final = 10  # seconds: for supervisord itself, and for a machine that is busy while it stops all


def check(deployment: Deployment) -> Iterator[Finding]:
    budget: int | None = deployment.value("STOP_BUDGET_S")
    if budget is None:
        yield skipped(CHECK, deployment.lacks("STOP_BUDGET_S"))
        return
    if compose.is_container():  # another file than the one in here may have started it
        yield unknown(budget, "from inside a container")
        return
    try:
        found = systemd.grants(budget, deployment.pid) or compose.grants()
    except compose.Unreadable as unreadable:
        yield skipped(CHECK, str(unreadable), unreadable.mend)
        return
    yield from map(enough, found)
    if not found:
        yield unknown(budget, f"without {systemd.UNIT}, and without Compose,")


def enough(grant: Grant) -> Finding:
    """Too little is an error where programs would be killed before their own time is over."""
    message = f"{grant.whose} grants {grant.granted_s:g} s, STOP_BUDGET_S is {grant.budget_s}"
    mend = f"{grant.setting.format(seconds=grant.budget_s + MARGIN_S)}, or a smaller STOP_BUDGET_S"
    if grant.granted_s < grant.budget_s:
        return error(CHECK, f"{message}: what still runs then is killed", mend)
    if grant.granted_s < grant.budget_s + MARGIN_S:
        return warning(CHECK, f"{message}: less than {MARGIN_S} s are left for supervisord itself", mend)
    return ok(CHECK, message)


def unknown(budget: int, where: str) -> Finding:
    """Where nobody can be asked: what to grant."""
    enough_s = budget + MARGIN_S
    mend = (
        f"`stop_grace_period: {enough_s}s` in Compose, `docker stop --time {enough_s}`, "
        f"or `TimeoutStopSec={enough_s}` in a unit is enough"
    )
    return skipped(CHECK, f"{where} it cannot be seen how long a stop may take", mend)
