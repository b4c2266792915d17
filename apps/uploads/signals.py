"""Files of rows that vanish without `services.remove`: with their owner, or from the admin."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from apps.uploads import services
from apps.uploads.models import Upload


@receiver(post_delete, sender=Upload)
def _remove_files(instance: Upload, **_: Any) -> None:
    # After the commit: rows come back with a rollback, files do not. Django logs what fails.
    transaction.on_commit(lambda: services.remove_files(instance), robust=True)
