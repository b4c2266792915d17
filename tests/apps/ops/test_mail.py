from __future__ import annotations

import io

from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend

LINK = "http://localhost:8000/accounts/password/reset/MQ/d4w8x2-0123456789abcdef0123456789abcdef/?next=/"


class Writes(io.StringIO):
    """A stream that remembers each write by itself, as a log that makes a record of each does."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[str] = []

    def write(self, text: str) -> int:
        self.all.append(text)
        return super().write(text)


def console(stream: io.StringIO) -> BaseEmailBackend:
    return get_connection("apps.ops.mail.ConsoleBackend", stream=stream)


def letter() -> EmailMultiAlternatives:
    message = EmailMultiAlternatives(
        "Grüße – a subject that is longer than what fits on one line of a mail, as it is sent on the wire",
        f"Grüße,\n\n{LINK}\n",
        "Ada <ada@example.org>",
        to=["bob@example.org"],
        cc=["eve@example.org"],
    )
    message.attach_alternative("<p>Grüße", "text/html")
    return message


def test_a_mail_is_written_to_be_read() -> None:
    """Who, to whom, what about, and the plain text, with each link whole on its line."""
    written = io.StringIO()
    assert console(written).send_messages([letter()]) == 1
    lines = written.getvalue().splitlines()
    assert {f"Subject: {letter().subject}", "From: Ada <ada@example.org>", "Grüße,", LINK} <= set(lines)
    assert "To: bob@example.org, eve@example.org" in lines
    assert "<p>" not in written.getvalue()


def test_each_mail_is_one_write_that_ends_with_a_line_across() -> None:
    """Or the worker's log, which makes a record of each write, mixes it with other lines."""
    stream = Writes()
    console(stream).send_messages([letter(), letter()])
    assert len(stream.all) == 2
    assert all(text.rstrip("\n").splitlines()[-1] == "-" * 79 for text in stream.all)
