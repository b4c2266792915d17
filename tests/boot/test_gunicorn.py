"""gunicorn, as our configuration runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.ports import free_port
from tests.system.stack import PATIENCE_S, ROOT

GUNICORN = Path(sys.prefix, "bin", "gunicorn")


def test_a_stop_while_a_worker_is_forked_is_not_lost(tmp_path: Path) -> None:
    """The worker ends by itself, long before the master would lose patience and kill it."""
    environ = {
        "PATH": "/usr/bin:/bin",
        "DOORITO_RUNTIME_DIR": str(tmp_path),
        "DATABASE_URL": f"sqlite:///{tmp_path}/db",
        "CELERY_TASK_ALWAYS_EAGER": "true",
        "WEB_BIND": "127.0.0.1",
        "WEB_PORT": str(free_port()),
        "WEB_WORKERS": "1",
        "STOP_BUDGET_S": str(10 * int(PATIENCE_S)),
    }
    command = [str(GUNICORN), "-c", "python:tests.boot.stopped_while_forking", "boot.wsgi:application"]
    done = subprocess.run(
        command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0
    assert "Worker exiting" in done.stderr
