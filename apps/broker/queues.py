"""The end of queues, and of what ends with them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from apps.broker import sql

if TYPE_CHECKING:
    from apps.broker.session import Session


def delete(session: Session, names: Iterable[str]) -> int:
    """Delete queues with all that they hold; how many messages waited in them."""
    if not (listed := sorted(names)):
        return 0
    [(ready, exchanges, _)] = session.run(sql.DELETE_QUEUES, listed)
    if exchanges:
        session.run(sql.DROP_UNBOUND, exchanges)
    return int(ready)


def expire(session: Session) -> None:
    """Delete the queues that were declared with an expiry and have been unused for so long."""
    delete(session, [row[0] for row in session.run(sql.EXPIRED_QUEUES)])
