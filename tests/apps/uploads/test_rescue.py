"""Uploads whose task was lost."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from apps.uploads import services, tasks
from apps.uploads.models import Upload

pytestmark = pytest.mark.django_db

State = Upload.State
Stored = Callable[[], list[Path]]


def rescue(capture: DjangoCaptureOnCommitCallbacks) -> int:
    with capture(execute=True):
        return services.rescue(timezone.now())


@pytest.mark.parametrize(
    ("state", "silence"),
    [(State.WORKING, timedelta(minutes=2, seconds=1)), (State.WAITING, timedelta(hours=1, seconds=1))],
)
def test_rescue_queues_again_what_was_lost(
    make_upload: Callable[..., Upload],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    state: Upload.State,
    silence: timedelta,
) -> None:
    """With its worker, for longer than twice the time limit, or with its message."""
    upload = make_upload(state=state, attempts=2, state_since=timezone.now() - silence)
    assert rescue(django_capture_on_commit_callbacks) == 1
    upload.refresh_from_db()
    assert upload.state == State.DONE


@pytest.mark.parametrize(
    ("state", "silence"),
    [(State.WORKING, timedelta(seconds=100)), (State.WAITING, timedelta(minutes=55))],
)
def test_rescue_leaves_alone_what_may_be_under_way(
    make_upload: Callable[..., Upload], state: Upload.State, silence: timedelta
) -> None:
    """At work within the time limits, or in a long queue."""
    make_upload(state=state, state_since=timezone.now() - silence)
    assert services.rescue(timezone.now()) == 0


def test_rescue_respects_long_time_limits(make_upload: Callable[..., Upload], settings: Settings) -> None:
    """What may take two hours is not lost after two hours."""
    settings.CELERY_TASK_TIME_LIMIT = 7200
    make_upload(state=State.WORKING, state_since=timezone.now() - timedelta(hours=2))
    assert services.rescue(timezone.now()) == 0


def test_what_waits_in_a_long_queue_gets_one_more_message_an_hour(
    make_upload: Callable[..., Upload],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """Runs that come close together add none, or the rescue itself would fill the queue."""
    make_upload(state_since=timezone.now() - timedelta(hours=2))
    with django_capture_on_commit_callbacks() as callbacks:
        for _ in range(12):
            services.rescue(timezone.now())
    assert len(callbacks) == 1


def test_rescue_does_not_undo_what_ended_meanwhile(
    make_upload: Callable[..., Upload], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker was slow, not dead."""
    for _ in range(2):
        make_upload(state=State.WORKING, state_since=timezone.now() - timedelta(hours=2))
    queued: list[Upload] = []

    def and_the_other_ends(upload: Upload) -> None:
        queued.append(upload)
        Upload.objects.exclude(pk=upload.pk).update(state=State.DONE)

    monkeypatch.setattr(services, "enqueue", and_the_other_ends)
    assert services.rescue(timezone.now()) == len(queued) == 1
    assert Upload.objects.filter(state=State.DONE).count() == 1


def test_rescue_gives_up_what_ends_its_worker(
    make_upload: Callable[..., Upload],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """Worked on three times already, without a word."""
    upload = make_upload(state=State.WORKING, attempts=3, state_since=timezone.now() - timedelta(hours=2))
    assert rescue(django_capture_on_commit_callbacks) == 1
    upload.refresh_from_db()
    assert upload.state == State.FAILED


def test_the_task_says_how_many_it_rescued(make_upload: Callable[..., Upload]) -> None:
    """In its result; it runs on a schedule of its own."""
    make_upload(state=State.WORKING, state_since=timezone.now() - timedelta(hours=2))
    assert tasks.rescue.delay().get() == {"rescued": 1}
    assert settings.CELERY_BEAT_SCHEDULE["rescue-uploads"]["task"] == tasks.rescue.name
