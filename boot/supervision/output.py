"""supervisord's standard output: what its programs and supervisord itself say, each line named."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from supervisor import events
from supervisor.loggers import LevelsByName

from boot.supervision.facts import Facts
from boot.supervision.lines import LineBuffer, encode, render
from boot.supervision.sink import LAST_S, Sink
from boot.supervision.tracebacks import Tracebacks

STDOUT = 1
AGAIN_S = 0.05  # seconds until what could not be written is tried again
# supervisord's names of levels, and those that everybody else uses.
LEVELS = {"CRIT": "CRITICAL", "ERRO": "ERROR", "WARN": "WARNING", "INFO": "INFO"}
# Said by supervisord of a socket without a password. The socket's folder is ours alone (0700).
NO_PASSWORD = "running without any HTTP authentication checking"  # noqa: S105


ENDS = (events.ProcessStateExitedEvent, events.ProcessStateStoppedEvent, events.ProcessStateBackoffEvent)


class Output:
    """Writes lines on standard output, and is a handler of supervisord's own logger."""

    level = LevelsByName.INFO

    def __init__(self, facts: Facts) -> None:
        self.take(facts)
        self._buffers: defaultdict[str, LineBuffer] = defaultdict(LineBuffer)
        self._tracebacks: defaultdict[str, Tracebacks] = defaultdict(Tracebacks)
        self._last: dict[str, str] = {}  # lines, by program
        # To the descriptor: opening /dev/stdout fails where it is a socket, and for other users.
        self._sink = Sink(STDOUT, self._dropped)

    def take(self, facts: Facts) -> None:
        """Other settings hold from now on."""
        self._log_format = facts.log_format
        self._is_coloured = facts.is_coloured

    def subscribe(self) -> None:
        """Take what programs write, and what they left unfinished when they end."""
        events.subscribe(events.ProcessLogEvent, self._on_log)
        events.subscribe(events.ProcessStateEvent, self._on_state)

    def say(self, program: str, *lines: str) -> None:
        """Write lines of `program`, or keep them until somebody reads."""
        self._sink.write(*(self._rendered(program, line) for line in lines))

    def last_line(self, program: str) -> str:
        """The last that this process of `program` wrote and was not empty."""
        return self._last.get(program, "")

    def turn(self, now: float) -> None:
        """Write what was kept, and tracebacks that nothing has followed; `now` is monotonic."""
        for program, tracebacks in self._tracebacks.items():
            if tracebacks.due is not None and now >= tracebacks.due:
                self.say(program, *tracebacks.flush())
        self._sink.pump()

    def until_due(self, now: float) -> float | None:
        """Seconds until there is something to do; what is kept is tried again soon."""
        dues = [tracebacks.due for tracebacks in self._tracebacks.values() if tracebacks.due is not None]
        waits = [max(0.0, min(dues) - now)] if dues else []
        return min([*waits, AGAIN_S]) if self._sink.waits else min(waits, default=None)

    def finish(self) -> None:
        """The last lines, for whoever reads them within a moment."""
        for program, tracebacks in self._tracebacks.items():
            self.say(program, *tracebacks.flush())
        self._sink.pump(LAST_S)

    def emit(self, record: Any) -> None:
        """A record of supervisord's logger."""
        fields = record.asdict()
        message = fields["message"].strip()
        if NO_PASSWORD in message:
            return
        level = LEVELS[fields["levelname"]]
        if self._log_format == "json":  # as programs write it, so that a level is a level everywhere
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            self.say("supervisord", json.dumps({"time": now, "level": level, "message": message}))
        else:
            self.say("supervisord", f"{fields['asctime']} {level} {message}")

    def flush(self) -> None:
        """Nothing is held back for this."""

    close = remove = reopen = flush

    def _rendered(self, program: str, line: str) -> bytes:
        return encode(render(program, line, self._log_format, coloured=self._is_coloured))

    def _dropped(self, count: int) -> bytes:
        lines = "line was" if count == 1 else "lines were"
        return self._rendered("doorito", f"{count} {lines} dropped here: nobody read the log fast enough")

    def _on_log(self, event: Any) -> None:
        name = event.process.config.name
        self._take(name, self._buffers[name].feed(event.data))

    def _on_state(self, event: Any) -> None:
        name = event.process.config.name
        if isinstance(event, events.ProcessStateStartingEvent):
            self._last.pop(name, None)  # what its next process says is another's
        if isinstance(event, ENDS):
            self._take(name, self._buffers[name].flush())
            self.say(name, *self._tracebacks[name].flush())

    def _take(self, name: str, lines: Sequence[str]) -> None:
        if said := [line for line in lines if line.strip()]:
            self._last[name] = said[-1].strip()
        if self._log_format == "json":
            now = time.monotonic()
            lines = [record for line in lines for record in self._tracebacks[name].feed(line, now)]
        self.say(name, *lines)
