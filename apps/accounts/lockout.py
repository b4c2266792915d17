"""Whose failed log-ins django-axes counts, and when it forgets them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from axes.utils import reset
from django.http import HttpRequest

from apps.accounts import addresses
from apps.accounts.models import User

LONGEST = 255  # characters that axes has room for; more than any account's address has


def username(request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> str:
    """The address that somebody tries to log in with, in its one spelling (AXES_USERNAME_CALLABLE).

    Django's log-in form calls it `username`, the model `email`. Left to itself axes looks for the
    model's name only, finds nothing, and then counts every account of an address together.
    """
    given = credentials or request.POST
    # Cut, for some letters grow as they are normalised.
    return addresses.normalise(str(given.get("username") or given.get("email") or ""))[:LONGEST]


def lift(user: User) -> None:
    """Let the account log in again, from wherever."""
    reset(username=user.email)
