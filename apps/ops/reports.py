"""Error reports: what Django's debug page and mails to administrators leave out."""

from __future__ import annotations

import re

from django.views.debug import SafeExceptionReporterFilter


class ReporterFilter(SafeExceptionReporterFilter):
    """Django's own, which does not know that DATABASE_URL, CELERY_BROKER_URL and EMAIL_URL hold passwords.

    They are settings, and under runserver also in the request's META.
    """

    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|(DATABASE|BROKER|EMAIL)_URL",
        re.IGNORECASE,
    )
