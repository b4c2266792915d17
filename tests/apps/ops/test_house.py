from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone

from apps.ops import tasks

pytestmark = pytest.mark.django_db


def test_sessions_that_have_ended_go() -> None:
    """Those that go on stay."""
    now = timezone.now()
    for name, expires in (("over", now - timedelta(minutes=1)), ("open", now + timedelta(minutes=1))):
        Session.objects.create(session_key=name, session_data="", expire_date=expires)
    tasks.keep_house.delay().get()
    assert Session.objects.get().session_key == "open"


@pytest.mark.parametrize(
    ("model", "fields"),
    [(AccessAttempt, {"failures_since_start": 1}), (AccessFailureLog, {}), (AccessLog, {})],
)
def test_log_ins_are_forgotten_after_a_month(model: Any, fields: dict[str, int]) -> None:
    """Whether they failed or not."""
    for name, days in (("old", 31), ("young", 29)):
        row = model.objects.create(username=name, ip_address="192.0.2.1", **fields)
        model.objects.filter(pk=row.pk).update(attempt_time=timezone.now() - timedelta(days=days))
    tasks.keep_house.delay().get()
    assert model.objects.get().username == "young"


def test_the_house_is_kept_daily() -> None:
    """By beat, on a queue that somebody waits for less."""
    entry = settings.CELERY_BEAT_SCHEDULE["keep-house"]
    assert (entry["task"], entry["schedule"]) == (tasks.keep_house.name, timedelta(days=1))
    assert entry["options"] == {"queue": "default"}
