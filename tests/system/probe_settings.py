"""Doorito's settings and a few tasks that tests need; and a word on what arrived, where one asks.

With PROBE_FOLDER set each program leaves what it has read from its environment in a file there.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from boot import settings as _given
from boot.settings import *  # noqa: F403

CELERY_IMPORTS = ["tests.system.probe_tasks"]
ROOT_URLCONF = "tests.system.probe_urls"

_SETTINGS = (
    "SECRET_KEY",
    "CELERY_BROKER_URL",
    "DEFAULT_FROM_EMAIL",
    "EMAIL_HOST_USER",
    "EMAIL_HOST_PASSWORD",
)


def _arrived() -> dict[str, str]:
    settings = vars(_given)
    database = settings["DATABASES"]["default"]
    return {
        **{name: settings[name] for name in _SETTINGS},
        **{f"DATABASE_{key}": database[key] for key in ("USER", "PASSWORD")},
        **{name: value for name, value in os.environ.items() if name.startswith("NASTY_")},
    }


if "PROBE_FOLDER" in os.environ:
    _program = os.environ.get("SUPERVISOR_PROCESS_NAME", "prepare")
    Path(os.environ["PROBE_FOLDER"], f"{_program}.json").write_text(json.dumps(_arrived()))
