"""Rows that pile up in the database though nobody will ask for them again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.core.management import call_command

LOG_INS_KEPT: Final = timedelta(days=30)  # far longer than a lock-out, to look at after an incident


def keep(now: datetime) -> None:
    """Delete sessions that have ended, and what django-axes wrote down about log-ins long ago."""
    call_command("clearsessions")
    for model in (AccessAttempt, AccessFailureLog, AccessLog):
        model.objects.filter(attempt_time__lt=now - LOG_INS_KEPT).delete()
