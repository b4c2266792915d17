"""A pytest plugin: the tests' own environment and their own real PostgreSQL.

Loaded by `-p` in pyproject.toml, since pytest-django reads the settings before any conftest.py.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from xdist.workermanage import NodeManager  # type: ignore[import-untyped]

from boot import env, places, postgres

CLEAN_UP_S = 60  # seconds
FOLDER = Path(tempfile.mkdtemp(prefix="doorito-test-"))
STATE_DIR = FOLDER / "state"

for _name in env.VARIABLES:
    os.environ.pop(_name, None)
    os.environ.pop(f"{_name}_FILE", None)
os.environ |= {
    "DOORITO_STATE_DIR": str(STATE_DIR),
    "DOORITO_RUNTIME_DIR": str(FOLDER / "run"),
    "DOORITO_EMBEDDED_POSTGRES": "true",
}

_servers = contextlib.ExitStack()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the server; a test database in it is pytest-django's business."""
    if session.config.getoption("numprocesses", None) and not hasattr(session.config, "workerinput"):
        # pytest-xdist's own process runs no test. Its processes may take as long to clean up as tests may.
        NodeManager.EXIT_TIMEOUT = CLEAN_UP_S
        return
    # Whoever starts tests in the background may have them ignore these, and programs would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    STATE_DIR.mkdir()
    _servers.enter_context(postgres.serving(postgres.cluster(STATE_DIR, FOLDER / "run")))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server and leave nothing behind."""
    _servers.close()
    shutil.rmtree(FOLDER, ignore_errors=True)
    shutil.rmtree(places.postgres_home(STATE_DIR), ignore_errors=True)
