"""/healthz and /readyz, answered before the host check and the redirect to HTTPS.

A probe comes by address and over plain HTTP, so it would meet both.
"""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse

from apps.ops.health import Readiness


class HealthMiddleware:
    """Answers the two probes and hands every other request on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.readiness = Readiness()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path == "/healthz":
            return _uncached(HttpResponse("ok\n", content_type="text/plain"))
        if request.path == "/readyz":
            reasons = self.readiness.reasons()
            return _uncached(
                JsonResponse({"ready": not reasons, "reasons": reasons}, status=503 if reasons else 200)
            )
        return self.get_response(request)


def _uncached(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    return response
