"""The broker's Django app: its tables, its admin."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class BrokerConfig(AppConfig):
    name = "apps.broker"
    verbose_name = "Broker"

    def ready(self) -> None:
        # Imported here: they need the models, and Celery.
        from apps.broker import aliases, exchanges, failure, signals

        aliases.remember()
        post_migrate.connect(exchanges.restore, sender=self)
        signals.given_up.connect(failure.record)
