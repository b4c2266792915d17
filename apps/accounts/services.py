from __future__ import annotations

import logging

from django.contrib.auth.forms import PasswordResetForm

logger = logging.getLogger(__name__)


def request_password_reset(email: str, domain: str, use_https: bool) -> None:
    """Have the worker mail a reset link to the account with this address, if there is one.

    The same work is done here whether there is one or not, so the answer's time tells nothing.
    """
    # Imported here: the task calls this module.
    from apps.accounts import tasks

    try:
        # Somebody is waiting at the mailbox.
        tasks.send_password_reset.apply_async((email, domain, use_https), queue="high")
    except Exception:
        # The page says the same as ever; only the log may tell that nothing was sent.
        logger.exception("No password reset could be queued: is the broker up?")


def send_password_reset(email: str, domain: str, use_https: bool) -> None:
    """Mail the link. Run twice, it mails two links that both work once."""
    form = PasswordResetForm({"email": email})
    if form.is_valid():
        form.save(
            domain_override=domain,
            use_https=use_https,
            subject_template_name="accounts/password_reset_subject.txt",
            email_template_name="accounts/password_reset_email.txt",
        )
