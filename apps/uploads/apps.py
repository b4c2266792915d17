from django.apps import AppConfig


class UploadsConfig(AppConfig):
    name = "apps.uploads"

    def ready(self) -> None:
        from apps.uploads import signals  # noqa: F401 - connects its receiver
