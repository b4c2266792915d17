"""Dev on SQLite, the seed's default: bare `manage.py`, no worker, no PostgreSQL."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.system.client import Client
from tests.system.stack import ROOT, wait_until

pytestmark = pytest.mark.system

ACCOUNT = {"DJANGO_SUPERUSER_EMAIL": "admin@example.com", "DJANGO_SUPERUSER_PASSWORD": "a long password, 1"}


def test_log_in_and_an_eager_upload_work_on_sqlite(tmp_path: Path) -> None:
    """migrate, createsuperuser, runserver; the upload is done as soon as it is sent."""
    environ = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
        "DOORITO_STATE_DIR": str(tmp_path / "state"),
        **ACCOUNT,
    }

    def command(*arguments: str) -> list[str]:
        return [sys.executable, str(ROOT / "manage.py"), *arguments]

    for arguments in (["migrate", "--verbosity", "0"], ["createsuperuser", "--noinput", "--verbosity", "0"]):
        subprocess.run(command(*arguments), env=environ, cwd="/", check=True)
    port = free_port()
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(
            command("runserver", "--noreload", str(port)), env=environ, cwd="/", stdout=log, stderr=log
        ) as server,
    ):
        try:
            client = Client(f"http://127.0.0.1:{port}")
            wait_until("the server", lambda: _answers(client), (tmp_path / "log").read_text)
            page = client.log_in(*ACCOUNT.values())
            assert page.url == f"http://127.0.0.1:{port}/", page.text
            assert client.upload("eager.txt", b"at once").status == 200
            assert client.uploads() == [("eager.txt", "done", hashlib.sha256(b"at once").hexdigest())]
            assert client.get("/readyz").text == '{"ready": true, "reasons": []}'
            for model in ("queue", "deadletter", "session", "consumer"):
                assert (
                    "the database (sqlite) cannot be a broker" in client.get(f"/admin/broker/{model}/").text
                )
        finally:
            server.terminate()


def _answers(client: Client) -> bool:
    try:
        return client.get("/healthz").status == 200
    except OSError:
        return False
