"""`.env.local`, as the first `make run` writes it."""

from __future__ import annotations

import stat
from pathlib import Path

from boot import env, local


def test_the_file_is_private_and_never_replaced(tmp_path: Path) -> None:
    """Mode 0600; a second call leaves it, and no draft, behind."""
    assert local.write(tmp_path)
    file = tmp_path / local.FILE_NAME
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    written = file.read_text()
    assert not local.write(tmp_path)
    assert file.read_text() == written
    assert list(tmp_path.iterdir()) == [file]


def test_secrets_differ_each_time() -> None:
    """No two checkouts share a key or a password."""
    assert local.content() != local.content()


def test_what_is_written_is_a_sound_environment(tmp_path: Path) -> None:
    """The registry accepts all of it; tasks go to the worker, and the embedded PostgreSQL serves."""
    local.write(tmp_path)
    found = env.load({"DOORITO_ENV_FILE": str(tmp_path / local.FILE_NAME)})
    assert found["CELERY_TASK_ALWAYS_EAGER"] is False
    assert found["DOORITO_EMBEDDED_POSTGRES"] is True
    assert found["DATABASE_URL"].startswith("postgresql://")
    assert len(found["DJANGO_SECRET_KEY"]) >= 50
    assert len(found["DJANGO_SUPERUSER_PASSWORD"]) >= 12
    assert found.warnings == ()
