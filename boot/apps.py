"""Loads the Celery application with Django, so that a task sent from anywhere finds its broker."""

from django.apps import AppConfig


class BootConfig(AppConfig):
    name = "boot"

    def ready(self) -> None:
        from boot import celery  # noqa: F401 - after Django's registry, which it needs
