"""How often expired uploads are cleaned up."""

from __future__ import annotations

import os
import subprocess
import sys
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from apps.accounts.models import User
from boot.places import BASE_DIR

VARIABLE = "CLEANUP_UPLOADS_INTERVAL_HOURS"
BEAT_STARTS = """
import django; django.setup()
from boot.celery import app
from apps.scheduler.database import WaitingScheduler
WaitingScheduler(app=app)
"""


def database_url() -> str:
    """The test's own database, for another process."""
    given = connection.get_connection_params()
    query = urlencode({"host": given.get("host", "localhost"), "port": given.get("port", 5432)})
    return f"postgresql://{given.get('user', '')}@/{given['dbname']}?{query}"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("hours", "seconds"), [("", 21_600), ("0.5", 1800)])
def test_the_variable_decides_how_often(hours: str, seconds: int) -> None:
    """From the environment of beat's own process to the row; half an hour is not rounded away."""
    environ = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "boot.settings",
        "DATABASE_URL": database_url(),
        VARIABLE: hours,
    }
    subprocess.run([sys.executable, "-c", BEAT_STARTS], cwd=BASE_DIR, env=environ, check=True, timeout=30)
    row = PeriodicTask.objects.get(name="clean-up-uploads")
    assert (row.task, row.queue, row.enabled) == ("uploads.clean_up", "default", True)
    assert (row.interval.every, row.interval.period) == (seconds, IntervalSchedule.SECONDS)


@pytest.mark.django_db
def test_an_administrators_edit_is_refused_with_the_variables_name(client: Client) -> None:
    """Beat would put the row back at its next start."""
    interval = IntervalSchedule.objects.create(every=21_600, period="seconds")
    row = PeriodicTask.objects.create(name="clean-up-uploads", task="uploads.clean_up", interval=interval)
    root = User.objects.create_superuser("root@example.org")
    client.force_login(root, "django.contrib.auth.backends.ModelBackend")
    address = reverse("admin:django_celery_beat_periodictask_change", args=[row.pk])
    page = client.post(
        address, {"name": row.name, "task": row.task, "interval": "", "enabled": ""}, follow=True
    )
    assert f"Nothing was changed. {VARIABLE} owns this schedule" in page.content.decode()
    row.refresh_from_db()
    assert (row.enabled, row.interval) == (True, interval)
