"""The broker's Django app: its tables, its admin."""

from __future__ import annotations

from django.apps import AppConfig


class BrokerConfig(AppConfig):
    name = "apps.broker"
    verbose_name = "Broker"

    def ready(self) -> None:
        from apps.broker import aliases

        aliases.remember()
