"""Doorito's addresses and a slow one."""

from __future__ import annotations

import sys
import time

from django.http import HttpRequest, HttpResponse
from django.urls import path

from boot.urls import urlpatterns as given


def slow(request: HttpRequest) -> HttpResponse:
    """Take `seconds` to answer, and say so first."""
    print("the slow page begins", flush=True)
    time.sleep(float(request.GET["seconds"]))
    return HttpResponse("slowly but surely", content_type="text/plain")


def noise(request: HttpRequest) -> HttpResponse:
    """Print so many `lines` of a hundred characters."""
    for number in range(int(request.GET["lines"])):
        print("noise", number, "x" * 100)
    sys.stdout.flush()
    return HttpResponse("noise was made", content_type="text/plain")


urlpatterns = [path("probe/slow/", slow), path("probe/noise/", noise), *given]
