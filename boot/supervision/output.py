"""supervisord's standard output: what its programs and supervisord itself say, each line named."""

from __future__ import annotations

import contextlib
import json
import os
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from supervisor import events
from supervisor.loggers import LevelsByName

from boot.supervision.lines import LineBuffer, encode, render

STDOUT = 1
# supervisord's names of levels, and those that everybody else uses.
LEVELS = {"CRIT": "CRITICAL", "ERRO": "ERROR", "WARN": "WARNING", "INFO": "INFO"}
# Said by supervisord of a socket without a password. The socket's folder is ours alone (0700).
NO_PASSWORD = "running without any HTTP authentication checking"  # noqa: S105


class Output:
    """Writes lines on standard output, and is a handler of supervisord's own logger."""

    level = LevelsByName.INFO

    def __init__(self, log_format: str) -> None:
        self._log_format = log_format
        self._buffers: defaultdict[str, LineBuffer] = defaultdict(LineBuffer)

    def subscribe(self) -> None:
        """Take what programs write, and what they left unfinished when they end."""
        events.subscribe(events.ProcessLogEvent, self._on_log)
        events.subscribe(events.ProcessStateEvent, self._on_state)

    def say(self, program: str, *lines: str) -> None:
        """Write lines of `program`. A standard output that nobody reads any more is no reason to stop."""
        # To the descriptor: opening /dev/stdout fails where it is a socket, and for other users.
        data = b"".join(encode(render(program, line, self._log_format)) for line in lines)
        with contextlib.suppress(OSError):
            while data:
                data = data[os.write(STDOUT, data) :]

    def emit(self, record: Any) -> None:
        """A record of supervisord's logger."""
        fields = record.asdict()
        message = fields["message"].strip()
        if NO_PASSWORD in message:
            return
        if self._log_format == "json":  # as programs write it, so that a level is a level everywhere
            level = LEVELS[fields["levelname"]]
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            self.say("supervisord", json.dumps({"time": now, "level": level, "message": message}))
        else:
            self.say("supervisord", f"{fields['asctime']} {fields['levelname']} {message}")

    def flush(self) -> None:
        """Nothing is held back."""

    close = remove = reopen = flush

    def _on_log(self, event: Any) -> None:
        name = event.process.config.name
        self.say(name, *self._buffers[name].feed(event.data))

    def _on_state(self, event: Any) -> None:
        name = event.process.config.name
        if isinstance(event, (events.ProcessStateExitedEvent, events.ProcessStateStoppedEvent)):
            self.say(name, *self._buffers[name].flush())
