"""The logging configuration, applied in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from boot.places import BASE_DIR

SCRIPT = """
import logging.config, sys
from boot.logs import logging_config
logging.config.dictConfig(logging_config(*sys.argv[1:]))
for name in ("", "django", "django.request", "django.server", "gunicorn.error", "celery", "apps.uploads"):
    logging.getLogger(name).info("said by %s", name or "root")
    logging.getLogger(name).debug("not said")
try:
    raise ValueError("two\\nlines")
except ValueError:
    logging.getLogger("apps").exception("failed")
"""
LOGGERS = ["root", "django", "django.request", "django.server", "gunicorn.error", "celery", "apps.uploads"]


def logged(level: str, log_format: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, level, log_format],
        cwd=BASE_DIR, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == ""
    return done.stderr.splitlines()


PROBED = """
import logging.config, sys, types
from boot.logs import logging_config
logging.config.dictConfig(logging_config(sys.argv[1], "text"))
for path in ("/readyz", "/uploads/"):
    about = {"status_code": 503, "request": types.SimpleNamespace(path=path)}
    logging.getLogger("django.request").error("Service Unavailable: %s", path, extra=about)
    for status in (200, 503):
        logging.getLogger("gunicorn.access").info("%(U)s %(s)s", {"U": path, "s": status})
"""


def test_probes_are_no_news_unless_one_asks_for_everything() -> None:
    """Every few seconds: that all is well, and an error for each answer that says otherwise."""

    def said(level: str) -> list[str]:
        command = [sys.executable, "-c", PROBED, level]
        done = subprocess.run(command, cwd=BASE_DIR, capture_output=True, text=True, check=True)
        return [line.partition(": ")[2] for line in done.stderr.splitlines()]

    assert said("info") == [
        "/readyz 503", "Service Unavailable: /uploads/", "/uploads/ 200", "/uploads/ 503"
    ]  # fmt: skip
    assert len(said("debug")) == 6


def test_each_record_is_written_once_as_a_line_for_people() -> None:
    """Loggers that others bring handlers for do not write a record twice; debug is left out at info."""
    lines = logged("info", "text")
    said = [line for line in lines if "said" in line]
    assert [line.split(" INFO ")[1] for line in said] == [f"{name}: said by {name}" for name in LOGGERS]
    assert lines[-1] == "lines"


def test_as_json_each_record_is_one_object_on_one_line() -> None:
    """A traceback stays inside its object, so that a log collector never sees half a record."""
    records = [json.loads(line) for line in logged("info", "json")]
    assert [record["logger"] for record in records] == [*LOGGERS, "apps"]
    assert {record["level"] for record in records[:-1]} == {"INFO"}
    assert records[0]["message"] == "said by root"
    assert {"time", "process"} <= records[0].keys()
    assert "ValueError: two\nlines" in records[-1]["exc_info"]


@pytest.mark.parametrize(("level", "expected"), [("debug", 2 * len(LOGGERS)), ("error", 0)])
def test_the_level_holds_for_every_logger(level: str, expected: int) -> None:
    """LOG_LEVEL alone decides what is written."""
    assert sum("said" in line for line in logged(level, "text")) == expected


ACCESS = """
import logging.config, sys
from boot.logs import logging_config
logging.config.dictConfig(logging_config(sys.argv[1], "text"))
for path, status in (("/readyz", "200"), ("/healthz", "200"), ("/readyz", "503"), ("/", "200")):
    logging.getLogger("gunicorn.access").info("%(U)s %(s)s", {"U": path, "s": status})
"""


@pytest.mark.parametrize(
    ("level", "expected"),
    [("info", ["/readyz 503", "/ 200"]), ("debug", ["/readyz 200", "/healthz 200", "/readyz 503", "/ 200"])],
)
def test_probes_that_find_all_well_are_no_news(level: str, expected: list[str]) -> None:
    """They come every few seconds; one that finds something is told, and all are at debug."""
    done = subprocess.run(
        [sys.executable, "-c", ACCESS, level], cwd=BASE_DIR, capture_output=True, text=True, check=True
    )
    assert [line.split("gunicorn.access: ")[1] for line in done.stderr.splitlines()] == expected
