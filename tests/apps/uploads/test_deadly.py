"""What becomes of files that kill whoever examines them, with real workers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system.client import Client
from tests.system.jobs import do_main_job, visitor
from tests.system.stack import Stack

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def deadly() -> Iterator[Stack]:
    """A stack whose worker dies of some files."""
    with Stack(environ={"DJANGO_SETTINGS_MODULE": "tests.apps.uploads.deadly_settings"}) as stack:
        yield stack.start()


def state(client: Client, name: str) -> str:
    row = client.row(name)
    assert row
    return row.state


def test_a_file_that_kills_its_process_is_given_up(deadly: Stack) -> None:
    """It takes three with it, not all that there will ever be; the worker goes on."""
    client = visitor(deadly)
    client.upload("deadly.bin", b"kill me!")
    deadly.wait_for("the deadly file to fail", lambda: state(client, "deadly.bin") == "failed")
    assert deadly.log.count("signal 9") >= 3
    do_main_job(deadly, client)


RESCUE = """
from datetime import timedelta
from django.utils import timezone
from apps.uploads import services
print(services.rescue(timezone.now() + timedelta(minutes=5)))
"""


def test_work_is_rescued_from_a_worker_that_was_killed(deadly: Stack) -> None:
    """All of it, at once: the row says `working` until some minutes later."""
    client = visitor(deadly)
    client.upload("unlucky.bin", b"kill all")
    deadly.wait_for("the end", lambda: deadly.says(r"celery-worker \(terminated by SIGKILL"))
    assert state(client, "unlucky.bin") == "working"
    assert deadly.manage(RESCUE) == "1"
    deadly.wait_for("it to be done", lambda: state(client, "unlucky.bin") == "done")
