"""The main job, as a person does it: log in, upload a file, see it done."""

from __future__ import annotations

import hashlib
import os
from typing import Protocol

from tests.system.client import Client
from tests.system.stack import wait_until


class Site(Protocol):
    """What a person knows of a running site, whatever it runs in; and its log."""

    @property
    def url(self) -> str: ...
    @property
    def email(self) -> str: ...
    @property
    def password(self) -> str: ...
    @property
    def log(self) -> str: ...


def visitor(site: Site) -> Client:
    """Somebody who is logged in as the administrator."""
    client = Client(site.url)
    page = client.log_in(site.email, site.password)
    assert page.status == 200, page.text
    assert page.url == f"{site.url}/", page.text
    return client


def do_main_job(site: Site, client: Client | None = None) -> str:
    """Upload a file and see it done with its right SHA-256; its name."""
    someone = client or visitor(site)
    content = os.urandom(100_000)
    name = f"{hashlib.md5(content).hexdigest()} ä & b.bin"
    assert someone.upload(name, content).status == 200

    def is_done() -> bool:
        row = someone.row(name)
        assert row, f"{name} is not on the page"
        assert row.state != "failed", row
        return row.state == "done" and row.sha256 == hashlib.sha256(content).hexdigest()

    wait_until("the upload to be done", is_done, log=lambda: site.log)
    return name
