"""Which URLs this transport answers to. Imports little: every process has it, and few ever connect."""

from __future__ import annotations

from typing import Final

from kombu.transport import TRANSPORT_ALIASES

OURS: Final = ("postgresql", "postgresql+psycopg")


def is_ours(address: str) -> bool:
    """Whether the URL behind `sqla+` names PostgreSQL with psycopg 3."""
    return address.partition("://")[0] in OURS


def register() -> None:
    """Make it the transport of its scheme, before the first connection; alternates have the whole scheme."""
    for scheme in ("sqla", *(f"sqla+{ours}" for ours in OURS)):
        TRANSPORT_ALIASES[scheme] = "apps.broker.transport:Transport"
