"""Whose request it is, behind none or some reverse proxies."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The client's IP address; a forged X-Forwarded-For changes nothing.

    Each of the PROXY_COUNT proxies of ours appends whom it got the request from, so the client is
    that many entries from the right; whatever stands further left, the client wrote itself. Where that
    entry is missing or no address, the request did not come that way, and the peer is the client.
    """
    peer: str = request.META.get("REMOTE_ADDR", "")
    chain = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    count: int = settings.PROXY_COUNT
    return chain[-count] if 0 < count <= len(chain) and _is_address(chain[-count]) else peer


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text  # a zone means nothing elsewhere, and the database would refuse it
