"""The exchanges that every broker has."""

from __future__ import annotations

from typing import Any, Final

from django.apps import apps as installed
from django.db import connections, router

TYPES: Final = {"amq.direct": "direct", "amq.topic": "topic", "amq.fanout": "fanout"}


def restore(using: str, apps: Any = installed, **_: Any) -> None:
    """Put them back where they are missing: `manage.py flush` empties all tables, and so does a test.

    `apps` has the models as the migrations have them, perhaps none.
    """
    if connections[using].vendor != "postgresql" or not router.allow_migrate(using, "broker"):
        return
    try:
        model = apps.get_model("broker", "Exchange")
    except LookupError:
        return
    model.objects.using(using).bulk_create(
        [model(name=name, type=type_) for name, type_ in TYPES.items()], ignore_conflicts=True
    )
