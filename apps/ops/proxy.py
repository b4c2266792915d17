"""Whose request it is, behind none or some reverse proxies."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The client's IP address; a forged X-Forwarded-For changes nothing.

    Each of the PROXY_COUNT proxies of ours appends whom it got the request from, so the client is
    that many entries from the right; whatever stands further left, the client wrote itself.
    """
    peer: str = request.META.get("REMOTE_ADDR", "")
    chain = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    count: int = settings.PROXY_COUNT
    return chain[-count] if 0 < count <= len(chain) and chain[-count] else peer
