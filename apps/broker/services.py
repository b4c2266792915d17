"""What the rest of the project asks of the broker."""

from __future__ import annotations

from apps.broker import address, aliases, maintenance, scheme
from apps.broker.session import Session


def maintain(broker_url: str) -> dict[str, int]:
    """See `maintenance`; an empty answer where the broker is not ours."""
    located = broker_url.removeprefix("sqla+")
    if located == broker_url or not scheme.is_ours(located):
        return {}
    session = Session(address.engine(aliases.followed(address.parse(located))))
    try:
        return maintenance.maintain(session)
    finally:
        session.abandon()  # nobody needs it for the next minutes
