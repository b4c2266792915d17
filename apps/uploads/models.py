from __future__ import annotations

import datetime
import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from apps.uploads import detection


class Upload(models.Model):
    """A file that somebody uploaded, and what the worker found out about it."""

    class State(models.TextChoices):
        WAITING = "waiting"
        WORKING = "working"
        DONE = "done"
        FAILED = "failed"

    UNFINISHED = (State.WAITING, State.WORKING)
    MOST_ATTEMPTS = 3
    LONG_WAIT = datetime.timedelta(seconds=30)  # with less of a queue than this the page need say nothing

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="uploads",
        db_index=False,  # the first index below begins with it
    )
    name = models.CharField(max_length=255, help_text="As it was on the owner's computer.")
    file = models.FileField(max_length=100)
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    claimed_type = models.CharField(max_length=255, blank=True, help_text="What the browser said.")
    created_at = models.DateTimeField(default=timezone.now)

    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    state_since = models.DateTimeField(default=timezone.now)
    reason = models.CharField(max_length=255, blank=True, help_text="Why it failed.")
    attempts = models.PositiveSmallIntegerField(
        default=0, help_text="Times that a worker began to examine it and was never heard of again."
    )

    detected_type = models.CharField(max_length=255, blank=True, help_text="By its content.")
    sha256 = models.CharField("SHA-256", max_length=64, blank=True, help_text="Hexadecimal.")
    width = models.PositiveIntegerField(null=True, blank=True, help_text="Pixels.")
    height = models.PositiveIntegerField(null=True, blank=True, help_text="Pixels.")
    thumbnail = models.FileField(max_length=100, blank=True)

    class Meta:
        ordering = ("-created_at", "-id")
        indexes = (
            models.Index(fields=("owner", "-created_at", "-id"), name="uploads_of_owner"),
            models.Index(fields=("created_at",), name="uploads_by_age"),
            models.Index(
                fields=("state_since",),
                name="uploads_unfinished",
                condition=models.Q(state__in=("waiting", "working")),
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_finished(self) -> bool:
        return self.state not in self.UNFINISHED

    @property
    def shown_as(self) -> str:
        """The state, or "late" for one that has waited for long, which the page explains."""
        is_late = self.state == self.State.WAITING and timezone.now() - self.state_since >= self.LONG_WAIT
        return "late" if is_late else self.state

    @property
    def can_be_retried(self) -> bool:
        """Whether it failed for want of something of ours: the file itself was never judged.

        One that ended its worker again and again is judged by that: each try disturbs everybody.
        """
        return self.state == self.State.FAILED and not self.sha256 and self.attempts < self.MOST_ATTEMPTS

    @property
    def expires_at(self) -> datetime.datetime:
        return self.created_at + settings.UPLOAD_LIFETIME

    @property
    def other_claim(self) -> str:
        """The type that the browser sent with it, where that says something else than its bytes."""
        says_nothing = self.claimed_type in ("", detection.UNKNOWN)
        return "" if says_nothing or self.claimed_type == self.detected_type else self.claimed_type
