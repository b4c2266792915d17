"""What an error report leaves out."""

from __future__ import annotations

import secrets
import sys

from django.http import HttpRequest
from django.test import RequestFactory
from django.views.debug import ExceptionReporter
from pytest_django import Settings

PASSWORD = secrets.token_hex()  # not in the source, whose lines a report shows
NAMES = ("DATABASE_URL", "CELERY_BROKER_URL", "EMAIL_URL", "DJANGO_SECRET_KEY", "DJANGO_SUPERUSER_PASSWORD")


def report_on(request: HttpRequest) -> ExceptionReporter:
    try:
        raise ValueError("failed")
    except ValueError:
        return ExceptionReporter(request, *sys.exc_info())


def test_a_report_shows_no_password_of_a_url_or_of_a_setting(settings: Settings) -> None:
    """Neither as a setting nor in the request, in the page and in the mail."""
    settings.DEFAULT_EXCEPTION_REPORTER_FILTER = "apps.ops.reports.ReporterFilter"
    settings.CELERY_BROKER_URL = f"sqla+postgresql://u:{PASSWORD}@h/d"
    settings.EMAIL_HOST_PASSWORD = settings.SECRET_KEY = PASSWORD
    request = RequestFactory().get("/")
    request.META |= dict.fromkeys(NAMES, f"scheme://u:{PASSWORD}@h")
    report = report_on(request)
    for text in (report.get_traceback_html(), report.get_traceback_text()):
        assert "CELERY_BROKER_URL" in text
        assert "DATABASE_URL" in text
        assert PASSWORD not in text
