"""Mail in development: written to the log, to be read there."""

from __future__ import annotations

from django.core.mail import EmailMessage
from django.core.mail.backends.console import EmailBackend


class ConsoleBackend(EmailBackend):
    """Django's own writes a mail as it is sent, quoted-printable, which cuts a long link in two."""

    def write_message(self, message: EmailMessage) -> None:
        """In one write: the worker's log makes a record of each."""
        head = {
            "From": message.from_email,
            "To": ", ".join(message.recipients()),
            "Subject": message.subject,
        }
        lines = [f"{name}: {value}" for name, value in head.items()]
        self.stream.write("\n".join(("", *lines, "", str(message.body).rstrip(), "-" * 79, "")))
