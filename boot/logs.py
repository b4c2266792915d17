"""One logging configuration for Django, gunicorn and Celery.

Programs write on standard error and do not name themselves: supervisord's plug-in puts the program's
name on each line (`boot.supervision.lines`), since not every line comes from a logger.
"""

from __future__ import annotations

import logging
from typing import Any

TEXT = {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}
JSON = {
    "()": "pythonjsonlogger.json.JsonFormatter",
    "format": "%(levelname)s %(name)s %(process)d %(message)s",
    "rename_fields": {"levelname": "level", "name": "logger"},
    "timestamp": "time",
}


PROBES = ("/healthz", "/readyz")


class WithoutProbes(logging.Filter):
    """Drops what is told of probes every few seconds: gunicorn's lines of those that found all well, and
    Django's of those that did not, which it takes for errors. The answer says why, and the status does.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        asked = record.args if isinstance(record.args, dict) else {}
        is_well = asked.get("U") in PROBES and str(asked.get("s")) == "200"
        request = getattr(record, "request", None)
        is_refused = getattr(record, "status_code", None) == 503 and getattr(request, "path", "") in PROBES
        return not (is_well or is_refused)


def logging_config(level: str, log_format: str) -> dict[str, Any]:
    """What `logging.config.dictConfig` takes, for a `level` such as "info" and "text" or "json"."""
    ours = {"handlers": ["console"], "level": level.upper(), "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": JSON if log_format == "json" else TEXT},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["console"], "level": level.upper()},
        # Those that bring handlers of their own would write each record twice.
        "filters": {"probes": {"()": WithoutProbes}},
        "loggers": dict.fromkeys(("django", "django.server", "gunicorn.error"), ours)
        | dict.fromkeys(
            ("gunicorn.access", "django.request"),
            ours if level == "debug" else {**ours, "filters": ["probes"]},
        )
        # At INFO it tells of every log-in twice; a lock-out is a warning.
        | {"axes": {"level": "WARNING" if level == "info" else level.upper()}},
    }
