from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.forms import PasswordResetForm
from django.utils import timezone

from apps.accounts.models import User

logger = logging.getLogger(__name__)

RESET_PAUSE: Final = timedelta(minutes=5)  # between two mails to an account, whoever asks for them


class _ResetMail(PasswordResetForm):
    """Django's own, which would mail as often as anybody asks."""

    def get_users(self, email: str) -> Iterator[User]:
        return (user for user in super().get_users(email) if _may_be_mailed(user))


def _may_be_mailed(user: User) -> bool:
    """Whether the last mail is long ago; asked twice at once it agrees once."""
    now = timezone.now()
    due = User.objects.filter(pk=user.pk).exclude(reset_mailed_at__gt=now - RESET_PAUSE)
    return bool(due.update(reset_mailed_at=now))


def request_password_reset(email: str) -> None:
    """Have the worker mail a reset link to the account with this address, if there is one.

    The same work is done here whether there is one or not, so the answer's time tells nothing.
    """
    # Imported here: the task calls this module.
    from apps.accounts import tasks

    # Our own address: the request's Host is whatever its sender says. Read here, as the worker may have none.
    public = urlsplit(settings.PUBLIC_URL)
    try:
        # Not queued as `high`: anybody may ask, as often as they like.
        tasks.send_password_reset.apply_async((email, public.netloc, public.scheme == "https"))
    except Exception:
        # The page says the same as ever; only the log may tell that nothing was sent.
        logger.exception("No password reset could be queued: is the broker up?")


def send_password_reset(email: str, domain: str, use_https: bool) -> None:
    """Mail the link, unless that was done a moment ago. Run twice, it mails once."""
    form = _ResetMail({"email": email})
    if form.is_valid():
        form.save(
            domain_override=domain,
            use_https=use_https,
            subject_template_name="accounts/password_reset_subject.txt",
            email_template_name="accounts/password_reset_email.txt",
        )
