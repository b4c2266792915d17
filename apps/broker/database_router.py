"""Django's way to the broker's tables, where they have a database of their own."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import Model

ALIAS: Final = "broker"


class BrokerRouter:
    """Reads and writes the broker's tables in their own database, and keeps all others out of it.

    Django's own database has them too, and they stay empty there: so a broker that moves back finds them.
    """

    def db_for_read(self, model: type[Model], **_: Any) -> str | None:
        return ALIAS if model._meta.app_label == "broker" else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **_: Any) -> bool | None:
        return app_label == "broker" if db == ALIAS else None
