"""The broker's Django app: its tables, its admin."""

from __future__ import annotations

from django.apps import AppConfig


class BrokerConfig(AppConfig):
    name = "apps.broker"
    verbose_name = "Broker"

    def ready(self) -> None:
        # Imported here: they need the models, and Celery.
        from apps.broker import aliases, failure, signals

        aliases.remember()
        signals.given_up.connect(failure.record)
