"""Stops a file that is too large while it still arrives, so that it never fills the disk."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler, SkipFile

from apps.uploads import names


class SizeLimit(FileUploadHandler):
    """The first of a request's upload handlers.

    What is too large is read to its end and thrown away, for browsers show an answer only after
    they have sent everything; `too_large` then holds its name. The other files arrive as usual.
    """

    def __init__(self, request: Any = None) -> None:
        super().__init__(request)
        self.too_large: list[str] = []

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        if start + len(raw_data) > settings.UPLOAD_MAX_BYTES:
            self.too_large.append(names.clean(self.file_name))
            raise SkipFile
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None  # the next handler keeps the file
