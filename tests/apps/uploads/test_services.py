from __future__ import annotations

import errno
import hashlib
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.core.files.storage import FileSystemStorage
from django.db import DatabaseError, OperationalError
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from apps.accounts.models import User
from apps.uploads import examination, services, tasks
from apps.uploads.models import Upload

pytestmark = pytest.mark.django_db

State = Upload.State
Stored = Callable[[], list[Path]]


class FullDisk(FileSystemStorage):
    """Writes half a file, then has no room for the rest."""

    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:
        super().save(name, content, max_length)
        raise OSError(errno.ENOSPC, "No space left on device")


def refuse(*_: object, **__: object) -> None:
    raise ConnectionRefusedError


# Receiving


def test_a_received_file_is_examined_after_the_commit(
    owner: User,
    sent: Callable[..., Any],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """Not before: the worker would find no row."""
    with django_capture_on_commit_callbacks() as callbacks:
        upload = services.receive(owner.pk, sent(b"hello"))
    upload.refresh_from_db()
    assert upload.state == State.WAITING
    for callback in callbacks:
        callback()
    upload.refresh_from_db()
    assert upload.state == State.DONE
    assert upload.sha256 == hashlib.sha256(b"hello").hexdigest()
    assert (upload.size, upload.claimed_type, upload.detected_type) == (5, "text/plain", "text/plain")


def test_the_stored_name_is_random(owner: User, sent: Callable[..., Any], stored: Stored) -> None:
    """Nothing of the file's own name gets into a path."""
    services.receive(owner.pk, sent(name="passwd"))
    (path,) = stored()
    assert "passwd" not in str(path)
    assert len(path.name) == 32


def test_a_file_above_the_limit_is_refused(
    owner: User, sent: Callable[..., Any], settings: Settings, stored: Stored
) -> None:
    """With its name and the limit; one of exactly the limit is taken."""
    settings.UPLOAD_MAX_BYTES = 2000
    with pytest.raises(services.Refused, match=r"“big\.bin” is larger than 2 kB"):
        services.receive(owner.pk, sent(bytes(2001), "big.bin"))
    assert stored() == []
    assert services.receive(owner.pk, sent(bytes(2000))).size == 2000


def test_a_full_disk_leaves_nothing_half_written(
    owner: User, sent: Callable[..., Any], settings: Settings, stored: Stored
) -> None:
    """Neither a row nor a part of the file, and words instead of an error page."""
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.FullDisk"}}
    with pytest.raises(services.Refused, match="could not be stored"):
        services.receive(owner.pk, sent())
    assert stored() == []
    assert not Upload.objects.exists()


def test_a_row_that_cannot_be_saved_leaves_no_file(
    owner: User, sent: Callable[..., Any], settings: Settings, stored: Stored
) -> None:
    """The database refuses this one, for its size does not fit into the column."""
    settings.UPLOAD_MAX_BYTES = 2**80
    file = sent()
    file.size = 2**70
    with pytest.raises(DatabaseError):
        services.receive(owner.pk, file)
    assert stored() == []


def test_a_broker_that_is_away_makes_it_failed(
    owner: User,
    sent: Callable[..., Any],
    stored: Stored,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """With the reason and a way on, not with an error page; the file is kept."""
    with monkeypatch.context() as patch, django_capture_on_commit_callbacks(execute=True):
        patch.setattr(tasks.process, "apply_async", refuse)
        upload = services.receive(owner.pk, sent())
    upload.refresh_from_db()
    assert upload.state == State.FAILED
    assert "queue could not be reached" in upload.reason
    assert upload.can_be_retried
    assert len(stored()) == 1
    with django_capture_on_commit_callbacks(execute=True):
        services.retry(upload)
    upload.refresh_from_db()
    assert (upload.state, upload.reason) == (State.DONE, "")


# Processing


def test_an_empty_file_is_done(make_upload: Callable[..., Upload]) -> None:
    """It has no bytes, the SHA-256 of nothing, and is called empty."""
    upload = make_upload(b"")
    services.process(upload.pk)
    upload.refresh_from_db()
    assert (upload.state, upload.size, upload.detected_type) == (State.DONE, 0, "empty")
    assert upload.sha256 == hashlib.sha256(b"").hexdigest()


def test_a_file_that_lies_about_its_type_is_done(make_upload: Callable[..., Upload]) -> None:
    """What it claims and what it is are both kept."""
    upload = make_upload(b"%PDF-1.4\n%%EOF", claimed_type="image/png", name="holiday.png")
    services.process(upload.pk)
    upload.refresh_from_db()
    assert (upload.state, upload.detected_type) == (State.DONE, "application/pdf")
    assert upload.other_claim == "image/png"


def test_an_image_gets_dimensions_and_a_thumbnail(
    make_upload: Callable[..., Upload], encode: Callable[..., bytes], stored: Stored
) -> None:
    """The thumbnail is a file of its own."""
    upload = make_upload(encode("PNG", (40, 20)))
    services.process(upload.pk)
    upload.refresh_from_db()
    assert (upload.state, upload.width, upload.height) == (State.DONE, 40, 20)
    assert Path(upload.thumbnail.path) in stored()


def test_a_damaged_image_fails_with_its_facts(
    make_upload: Callable[..., Upload], encode: Callable[..., bytes]
) -> None:
    """The reason says what to do; trying the same bytes again is not offered."""
    upload = make_upload(encode("PNG", (400, 400))[:200])
    services.process(upload.pk)
    upload.refresh_from_db()
    assert upload.state == State.FAILED
    assert "damaged" in upload.reason
    assert (upload.detected_type, len(upload.sha256)) == ("image/png", 64)
    assert not upload.can_be_retried
    services.retry(upload)
    upload.refresh_from_db()
    assert upload.state == State.FAILED


def test_processing_twice_changes_nothing(
    make_upload: Callable[..., Upload], encode: Callable[..., bytes], stored: Stored
) -> None:
    """A message that is delivered again finds the work done."""
    upload = make_upload(encode("PNG"))
    services.process(upload.pk)
    first = Upload.objects.values().get()
    files = stored()
    services.process(upload.pk)
    assert Upload.objects.values().get() == first
    assert stored() == files


def test_what_a_dead_worker_left_is_done_again(make_upload: Callable[..., Upload]) -> None:
    """Its message comes back while the row says `working`."""
    upload = make_upload(state=State.WORKING)
    services.process(upload.pk)
    upload.refresh_from_db()
    assert upload.state == State.DONE


def crash(_: object) -> None:
    """Ends the process that examines, as running out of memory does: nothing gets to be written down."""
    raise SystemExit


def test_a_file_that_ends_its_worker_is_given_up(
    make_upload: Callable[..., Upload], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After three times, however often the message comes back, and no button starts it again."""
    upload = make_upload()
    monkeypatch.setattr(examination, "examine", crash)
    for attempt in (1, 2, 3):
        with pytest.raises(SystemExit):
            services.process(upload.pk)
        upload.refresh_from_db()
        assert (upload.state, upload.attempts) == (State.WORKING, attempt)
    services.process(upload.pk)
    services.retry(upload)
    upload.refresh_from_db()
    assert upload.state == State.FAILED
    assert "three times" in upload.reason
    assert not upload.can_be_retried


def test_attempts_that_come_to_an_end_are_not_held_against_a_file(
    make_upload: Callable[..., Upload], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who tries again after each plain failure may do so for ever."""

    def fail(_: object) -> None:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(examination, "examine", fail)
    upload = make_upload()
    for _ in range(5):
        services.process(upload.pk)
        upload.refresh_from_db()
        assert "took too long" in upload.reason
        assert upload.can_be_retried
        services.retry(upload)


def test_a_failure_stays_when_the_message_comes_again(make_upload: Callable[..., Upload]) -> None:
    """The worker may have died after it had written the reason."""
    upload = make_upload(state=State.FAILED, reason="It was so.")
    services.process(upload.pk)
    upload.refresh_from_db()
    assert (upload.state, upload.reason) == (State.FAILED, "It was so.")


def test_a_deleted_upload_is_no_work(db: None) -> None:
    """Deleted while it waited."""
    services.process(uuid.uuid4())


@pytest.mark.parametrize("row_is_deleted", [True, False])
def test_whoever_is_late_leaves_nothing(
    make_upload: Callable[..., Upload],
    encode: Callable[..., bytes],
    stored: Stored,
    monkeypatch: pytest.MonkeyPatch,
    row_is_deleted: bool,
) -> None:
    """Deleted, or finished by another worker, while this one examined it: no thumbnail is left over."""
    upload = make_upload(encode("PNG"))
    examine = examination.examine

    def meanwhile(file: Any) -> examination.Facts:
        facts = examine(file)
        if row_is_deleted:
            services.remove(upload)
        else:
            Upload.objects.update(state=State.DONE, sha256="by another")
        return facts

    monkeypatch.setattr(examination, "examine", meanwhile)
    services.process(upload.pk)
    assert len(stored()) == (0 if row_is_deleted else 1)
    assert list(Upload.objects.values_list("sha256", flat=True)) == ([] if row_is_deleted else ["by another"])


def test_a_missing_file_is_said_to_be_missing(make_upload: Callable[..., Upload], stored: Stored) -> None:
    """Somebody has tidied up by hand."""
    upload = make_upload()
    stored()[0].unlink()
    services.process(upload.pk)
    upload.refresh_from_db()
    assert upload.state == State.FAILED
    assert "missing" in upload.reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [(SoftTimeLimitExceeded(), "took too long"), (RuntimeError("secret detail"), "Something went wrong")],
)
def test_errors_become_plain_reasons(
    make_upload: Callable[..., Upload], monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    """Too slow, or not foreseen: no detail of ours is shown, and it can be tried again."""

    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(examination, "examine", fail)
    upload = make_upload()
    services.process(upload.pk)
    upload.refresh_from_db()
    assert upload.state == State.FAILED
    assert reason in upload.reason
    assert "secret" not in upload.reason
    assert upload.can_be_retried


def test_no_room_for_a_thumbnail_is_a_failure(
    make_upload: Callable[..., Upload], encode: Callable[..., bytes], settings: Settings, stored: Stored
) -> None:
    """It can be tried again, and nothing half-written is left."""
    upload = make_upload(encode("PNG"))
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.FullDisk"}}
    services.process(upload.pk)
    upload.refresh_from_db()
    assert upload.state == State.FAILED
    assert upload.can_be_retried
    assert stored() == [Path(upload.file.path)]


def test_a_database_that_is_away_is_not_the_uploads_fault(
    make_upload: Callable[..., Upload], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task is tried again instead, and the upload stays unfinished."""
    outcomes = iter([OperationalError("away"), None])

    def process(_: object) -> None:
        if error := next(outcomes):
            raise error

    upload = make_upload()
    monkeypatch.setattr(services, "process", process)
    assert tasks.process.apply((str(upload.pk),)).state in {"SUCCESS", "RETRY"}
    assert next(outcomes, "spent") == "spent"


# Removing


def test_removing_deletes_row_and_files(
    make_upload: Callable[..., Upload], encode: Callable[..., bytes], stored: Stored
) -> None:
    """The thumbnail too."""
    upload = make_upload(encode("PNG"))
    services.process(upload.pk)
    upload.refresh_from_db()
    services.remove(upload)
    assert stored() == []
    assert not Upload.objects.exists()


def test_files_go_with_their_owner(
    make_upload: Callable[..., Upload],
    owner: User,
    stored: Stored,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """Once that is committed, for a rollback brings rows back but no files."""
    make_upload()
    with django_capture_on_commit_callbacks() as callbacks:
        owner.delete()
    assert len(stored()) == 1
    for callback in callbacks:
        callback()
    assert stored() == []


# What changed


def test_changes_are_those_of_the_owner(make_upload: Callable[..., Upload], stranger: User) -> None:
    """Others' uploads look like ones that are gone."""
    upload = make_upload(state=State.DONE)
    seen = {upload.pk: "working"}
    assert services.changes(upload.owner_id, seen) == ([upload], [])
    assert services.changes(upload.owner_id, {upload.pk: "done"}) == ([], [])
    assert services.changes(stranger.pk, seen) == ([], [upload.pk])
