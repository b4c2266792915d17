"""How much a stranger may send: Django reads a form's body, files and all, before any view is asked."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler


class SmallBody(FileUploadHandler):
    """First in FILE_UPLOAD_HANDLERS: refuses, unread, a form that Django would not keep in memory.

    So no file reaches the disk where none is expected. A view that takes more sets handlers of its
    own, and does so before the check for CSRF reads the body.
    """

    def handle_raw_input(self, input_data: Any, META: Any, content_length: int, *_: Any, **__: Any) -> None:  # noqa: N803 - Django's name
        if content_length > settings.FILE_UPLOAD_MAX_MEMORY_SIZE:
            raise RequestDataTooBig(f"A form of {content_length} bytes where no large file is expected.")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None  # the next handler keeps the file
