from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from apps.uploads import services, tasks
from apps.uploads.models import Upload
from apps.uploads.services import CleanUp

State = Upload.State
Stored = Callable[[], list[Path]]


def expired(by: timedelta = timedelta(seconds=1)) -> datetime:
    """When an upload was made that is older than it may get."""
    return timezone.now() - settings.UPLOAD_LIFETIME - by


@pytest.mark.django_db
def test_expired_uploads_go_with_their_files(
    make_upload: Callable[..., Upload], encode: Callable[..., bytes], stored: Stored
) -> None:
    """Whatever state they are in; younger ones stay."""
    young = make_upload(created_at=timezone.now() - settings.UPLOAD_LIFETIME + timedelta(minutes=1))
    for state in State:
        make_upload(state=state, created_at=expired())
    services.process(make_upload(encode("PNG"), created_at=expired()).pk)
    assert len(stored()) == 7
    assert services.clean_up(timezone.now()) == CleanUp(removed=5, kept=0)
    assert list(Upload.objects.all()) == [young]
    assert stored() == [Path(young.file.path)]


@pytest.mark.django_db
def test_more_than_a_batch_goes_in_one_run(
    make_upload: Callable[..., Upload], monkeypatch: pytest.MonkeyPatch, stored: Stored
) -> None:
    """Batch after batch, until nothing is left."""
    monkeypatch.setattr(services, "BATCH", 2)
    for _ in range(5):
        make_upload(created_at=expired())
    assert services.clean_up(timezone.now()) == CleanUp(removed=5)
    assert stored() == []


@pytest.mark.django_db
def test_a_run_has_an_end(make_upload: Callable[..., Upload], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is above the cap is left to the next one."""
    monkeypatch.setattr(services, "BATCH", 1)
    monkeypatch.setattr(services, "MOST_BATCHES", 3)
    for _ in range(5):
        make_upload(created_at=expired())
    assert services.clean_up(timezone.now()) == CleanUp(removed=3)
    assert services.clean_up(timezone.now()) == CleanUp(removed=2)


@pytest.mark.django_db
def test_a_missing_file_is_no_obstacle(make_upload: Callable[..., Upload], stored: Stored) -> None:
    """It was to go anyhow."""
    make_upload(created_at=expired())
    stored()[0].unlink()
    assert services.clean_up(timezone.now()) == CleanUp(removed=1)


@pytest.mark.django_db
@pytest.mark.parametrize("batch", [1, 2, 100])
def test_a_file_that_cannot_be_deleted_keeps_its_row(
    make_upload: Callable[..., Upload],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    batch: int,
) -> None:
    """It is logged, does not stop the others, and comes up once a run, wherever batches end."""
    monkeypatch.setattr(services, "BATCH", batch)
    uploads = [make_upload(created_at=expired()) for _ in range(4)]
    stuck = uploads[1]
    path = Path(stuck.file.path)
    path.unlink()
    (path / "child").mkdir(parents=True)  # a folder that is not empty: not even root can unlink it
    assert services.clean_up(timezone.now()) == CleanUp(removed=3, kept=1)
    assert list(Upload.objects.all()) == [stuck]
    assert caplog.text.count(str(stuck.pk)) == 1
    (path / "child").rmdir()
    assert services.clean_up(timezone.now()) == CleanUp(removed=1)


@pytest.mark.django_db
def test_what_expires_at_work_ends_quietly(
    make_upload: Callable[..., Upload], encode: Callable[..., bytes], stored: Stored
) -> None:
    """The task of an upload that was cleaned up finds nothing to do."""
    upload = make_upload(encode("PNG"), state=State.WORKING, created_at=expired())
    services.clean_up(timezone.now())
    services.process(upload.pk)
    assert stored() == []


@pytest.mark.django_db(transaction=True)
def test_two_runs_share_the_work(make_upload: Callable[..., Upload]) -> None:
    """What another run has locked is skipped, not waited for and not touched."""
    uploads = [make_upload(created_at=expired()) for _ in range(2)]
    locked, done = threading.Event(), threading.Event()

    def other_run() -> None:
        with transaction.atomic():
            list(Upload.objects.select_for_update().filter(pk=uploads[0].pk))
            locked.set()
            done.wait(10)  # seconds; longer than a run that does not wait
        connection.close()

    thread = threading.Thread(target=other_run)
    thread.start()
    try:
        assert locked.wait(10)
        assert services.clean_up(timezone.now()) == CleanUp(removed=1)
    finally:
        done.set()
        thread.join()
    assert list(Upload.objects.all()) == [uploads[0]]
    assert services.clean_up(timezone.now()) == CleanUp(removed=1)


@pytest.mark.django_db
def test_the_task_says_what_it_did(make_upload: Callable[..., Upload]) -> None:
    """In numbers, in its result."""
    make_upload(created_at=expired(), state=State.DONE)
    assert tasks.clean_up.delay().get() == {"removed": 1, "kept": 0, "swept": 0}
