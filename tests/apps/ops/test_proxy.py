"""Whose request it is."""

from __future__ import annotations

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from apps.ops.proxy import client_address

PEER = "10.0.0.9"


def address(settings: Settings, count: int, forwarded: str | None) -> str:
    settings.PROXY_COUNT = count
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return client_address(RequestFactory().get("/", headers=headers, REMOTE_ADDR=PEER))


@pytest.mark.parametrize("forwarded", [None, "", "1.2.3.4", "1.2.3.4, 5.6.7.8", "127.0.0.1"])
def test_without_a_proxy_the_header_is_ignored(settings: Settings, forwarded: str | None) -> None:
    """Anybody can send it, so only the connection says who the client is."""
    assert address(settings, 0, forwarded) == PEER


@pytest.mark.parametrize(
    ("count", "forwarded", "client"),
    [
        (1, "1.2.3.4", "1.2.3.4"),
        (1, "forged, 1.2.3.4", "1.2.3.4"),
        (1, "6.6.6.6,6.6.6.6,  1.2.3.4 ", "1.2.3.4"),
        (2, "1.2.3.4, 10.0.0.1", "1.2.3.4"),
        (2, "6.6.6.6, 1.2.3.4, 10.0.0.1", "1.2.3.4"),
        (1, "2001:db8::1", "2001:db8::1"),
    ],
)
def test_behind_proxies_the_entry_of_the_outermost_one_counts(
    settings: Settings, count: int, forwarded: str, client: str
) -> None:
    """Counted from the right, where our proxies write; what a client forged stands further left."""
    assert address(settings, count, forwarded) == client


@pytest.mark.parametrize(
    "forwarded", [None, "", "1.2.3.4", ", 10.0.0.1", "unknown, 10.0.0.1", "fe80::1%x, a"]
)
def test_a_request_that_did_not_pass_all_proxies_is_its_peers(
    settings: Settings, forwarded: str | None
) -> None:
    """Too short a chain, or an entry that is no address: nothing in it can be believed."""
    assert address(settings, 2, forwarded) == PEER
