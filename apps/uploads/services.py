"""Receiving files, having the worker examine them, and removing them again."""

from __future__ import annotations

import logging
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from apps.uploads import examination, names, sizes
from apps.uploads.models import Upload

logger = logging.getLogger(__name__)

State = Upload.State
FOLDER: Final = "uploads"  # in the store; nothing else is kept there
BATCH: Final = 100  # rows; locked, and their files deleted, in one transaction
MOST_BATCHES: Final = 100  # in one run; the next run goes on
LEAST_WAIT: Final = timedelta(hours=1)  # before the message of an upload that waits counts as lost

_NO_QUEUE = "The file is stored, but the queue could not be reached. Try again in a minute."
_TOO_SLOW = "It took too long to examine. Try again; a smaller file may do."
_NO_FILE = "The stored file is missing. Delete this entry and upload the file again."
_UNEXPECTED = "Something went wrong while it was examined. Try again, or tell us if it stays so."
_DEADLY = "Examining it stopped the worker three times, so it is not tried again. Another file may do."


@dataclass(frozen=True)
class CleanUp:
    """Numbers of uploads: `kept` have a file that could not be deleted."""

    removed: int = 0
    kept: int = 0


class Refused(Exception):
    """A file that was not taken; the text says which, why and what to do, for whoever sent it."""


def too_large(name: str) -> Refused:
    """The refusal of a file above the limit, which it names."""
    limit = sizes.readable(settings.UPLOAD_MAX_BYTES)
    return Refused(f"“{name}” is larger than {limit}, the limit for a file. Choose a smaller one.")


def receive(owner_id: int, sent: UploadedFile[Any]) -> Upload:
    """Store the file, then its row, and have the worker examine it once that is committed.

    `owner_id` is the user's. Raises Refused when it is too large or cannot be stored; nothing is left then.
    """
    name = names.clean(sent.name)
    if (sent.size or 0) > settings.UPLOAD_MAX_BYTES:
        raise too_large(name)
    path = _random_path()
    try:
        default_storage.save(path, sent)
        upload = _add_row(owner_id, sent, name, path)
    except OSError as error:
        _discard(path)
        logger.exception("An upload could not be stored")
        raise Refused(f"“{name}” could not be stored. Try again later.") from error
    except BaseException:
        _discard(path)
        raise
    enqueue(upload)
    return upload


def _add_row(owner_id: int, sent: UploadedFile[Any], name: str, path: str) -> Upload:
    with transaction.atomic():  # so that a failure here leaves an outer transaction usable
        return Upload.objects.create(
            owner_id=owner_id,
            name=name,
            file=path,
            size=sent.size or 0,
            claimed_type=names.printable(sent.content_type or "")[:255],
        )


def _random_path() -> str:
    """A place for a file: nothing of its own name, in one of 256 folders."""
    token = secrets.token_hex(16)
    return f"{FOLDER}/{token[:2]}/{token}"


def _discard(path: str) -> None:
    """Delete a file that has no row; an error here must not hide the one that led here.

    What stays, here or when the process is killed, `strays.sweep` finds.
    """
    try:
        default_storage.delete(path)
    except OSError:
        logger.exception(
            "%s belongs to no upload and could not be deleted: a later clean-up tries again", path
        )


def enqueue(upload: Upload) -> None:
    """Queue the examination once the current transaction is committed, or now without one."""
    transaction.on_commit(lambda: _enqueue(upload.pk))


def _enqueue(upload_id: uuid.UUID) -> None:
    # Imported here: the tasks call this module.
    from apps.uploads import tasks

    try:
        # Somebody is watching the page.
        tasks.process.apply_async((str(upload_id),), queue="high")
    except Exception:
        # Every broker has exceptions of its own. The file is safe, so this is no error page.
        logger.exception("Upload %s could not be queued: is the broker up?", upload_id)
        _finish(upload_id, (State.WAITING,), state=State.FAILED, reason=_NO_QUEUE)


def retry(upload: Upload) -> None:
    """Examine it again if it `can_be_retried`; any other is left alone."""
    again = {"state": State.WAITING, "reason": "", "state_since": timezone.now()}
    failed = Upload.objects.filter(pk=upload.pk, state=State.FAILED, sha256="")
    if failed.filter(attempts__lt=Upload.MOST_ATTEMPTS).update(**again):
        enqueue(upload)


def process(upload_id: uuid.UUID) -> None:
    """Examine an upload's file and record the outcome.

    Safe to run twice, also at once: whoever finishes first is heard. One that was deleted, before or
    meanwhile, is none of our business. One that is `working` is taken on: most likely its worker died.
    """
    upload = _claim(upload_id)
    if upload is None:
        return
    try:
        with upload.file.open("rb") as file:
            facts = examination.examine(file)
    except SoftTimeLimitExceeded:
        _fail(upload, _TOO_SLOW)
    except FileNotFoundError:
        _fail(upload, _NO_FILE)
    except Exception:
        logger.exception("Upload %s could not be examined", upload_id)
        _fail(upload, _UNEXPECTED)
    else:
        _record(upload, facts)


def _claim(upload_id: uuid.UUID) -> Upload | None:
    """Take it on, unless it has ended its worker too often: then it fails."""
    unfinished = Upload.objects.filter(pk=upload_id, state__in=Upload.UNFINISHED)
    now = timezone.now()
    taken = unfinished.filter(attempts__lt=Upload.MOST_ATTEMPTS).update(
        state=State.WORKING, state_since=now, attempts=F("attempts") + 1
    )
    if taken:
        return unfinished.first()
    unfinished.update(state=State.FAILED, state_since=now, reason=_DEADLY)
    return None


def _record(upload: Upload, facts: examination.Facts) -> None:
    found = {"size": facts.size, "sha256": facts.sha256, "detected_type": facts.detected_type}
    if facts.reason:
        _fail(upload, facts.reason, **found)
    elif facts.picture is None:
        _finish(upload.pk, (State.WORKING,), state=State.DONE, **found)
    else:
        picture = facts.picture
        found |= {"width": picture.width, "height": picture.height}
        _record_with_thumbnail(upload, picture.thumbnail, found)


def _record_with_thumbnail(upload: Upload, thumbnail: bytes, found: dict[str, Any]) -> None:
    path = _random_path()
    recorded = False
    try:
        default_storage.save(path, ContentFile(thumbnail))
        recorded = _finish(upload.pk, (State.WORKING,), state=State.DONE, thumbnail=path, **found)
    except OSError:
        logger.exception("The thumbnail of upload %s could not be stored", upload.pk)
        _fail(upload, _UNEXPECTED)
    finally:
        if not recorded:
            _discard(path)


def _fail(upload: Upload, reason: str, **found: Any) -> None:
    _finish(upload.pk, (State.WORKING,), state=State.FAILED, reason=reason, **found)


def _finish(upload_id: uuid.UUID, before: Sequence[State], **outcome: Any) -> bool:
    """Record an outcome, unless the row has gone or has one already."""
    rows = Upload.objects.filter(pk=upload_id, state__in=before)
    return bool(rows.update(state_since=timezone.now(), attempts=0, **outcome))


def remove(upload: Upload) -> None:
    """Delete the files, then the row: an error leaves the row, so that it can be tried again.

    Raises OSError when a file cannot be deleted; one that is missing is no error.
    """
    with transaction.atomic():
        # As it is now: the worker may have added a thumbnail, and adds none once this is locked.
        for current in Upload.objects.select_for_update().filter(pk=upload.pk):
            remove_files(current)
            current.delete()


def remove_files(upload: Upload) -> None:
    for path in (upload.thumbnail.name, upload.file.name):
        if path:
            default_storage.delete(path)


def changes(owner_id: int, seen: Mapping[uuid.UUID, str]) -> tuple[list[Upload], list[uuid.UUID]]:
    """Of the owner's uploads that were `seen` as something: those shown as another by now, and those gone."""
    current = {upload.pk: upload for upload in Upload.objects.filter(owner_id=owner_id, pk__in=seen)}
    changed = [upload for upload in current.values() if upload.shown_as != seen[upload.pk]]
    return changed, [upload_id for upload_id in seen if upload_id not in current]


def clean_up(now: datetime) -> CleanUp:
    """Remove the uploads that are older than UPLOAD_LIFETIME, files first.

    An upload whose file cannot be deleted is kept, logged and left to the next run. Two runs at
    once share the work: what one has locked the other skips (PostgreSQL; SQLite has one writer).
    """
    before = now - settings.UPLOAD_LIFETIME
    removed = kept = 0
    last = uuid.UUID(int=0)
    for _ in range(MOST_BATCHES):
        with transaction.atomic():
            expired = _lock_expired(before, after=last)
            gone = [upload.pk for upload in expired if _files_are_gone(upload)]
            Upload.objects.filter(pk__in=gone).delete()
        removed += len(gone)
        kept += len(expired) - len(gone)
        if len(expired) < BATCH:
            break
        last = expired[-1].pk
    return CleanUp(removed, kept)


def _lock_expired(before: datetime, after: uuid.UUID) -> list[Upload]:
    """A batch in the order of keys, so that what is kept does not come up again in this run."""
    expired = Upload.objects.filter(created_at__lt=before, pk__gt=after).order_by("pk")
    return list(expired.select_for_update(skip_locked=True)[:BATCH])


def _files_are_gone(upload: Upload) -> bool:
    try:
        remove_files(upload)
    except OSError:
        logger.exception("Upload %s has expired but its file could not be deleted", upload.pk)
        return False
    return True


def rescue(now: datetime) -> int:
    """Queue again the uploads whose task was lost; returns how many.

    Not every broker gives a task back when its worker is killed. A second task for one that only
    waits behind others does no harm: it finds nothing left to do.
    """
    lost = _lost(now)
    rescued = 0
    for upload in lost.order_by("state_since")[:BATCH]:
        # As it is now: it may have been finished since it was read.
        if lost.filter(pk=upload.pk).update(state=State.WAITING, state_since=now):
            enqueue(upload)
            rescued += 1
    return rescued


def _lost(now: datetime) -> QuerySet[Upload]:
    """Whoever works on one is killed at the time limit; whatever waits may be far back in the queue."""
    working = 2 * timedelta(seconds=settings.CELERY_TASK_TIME_LIMIT)
    return Upload.objects.filter(
        Q(state=State.WORKING, state_since__lt=now - working)
        | Q(state=State.WAITING, state_since__lt=now - max(LEAST_WAIT, working))
    )
