"""What the launcher says, before there is a supervisord to say it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from boot import stopping
from boot.env import shows_colours
from boot.supervision.lines import LineBuffer, encode, render

STDOUT: Final = 1


class StartLog:
    """The launcher's own lines on standard output, like those of programs."""

    def __init__(self, log_format: str) -> None:
        self._log_format = log_format
        self.is_coloured = log_format == "text" and shows_colours(sys.stdout)

    def say(self, program: str, *lines: str) -> None:
        """Write lines; whoever read them may have gone, which is no reason not to start."""
        sys.stdout.flush()
        for line in lines:
            data = encode(render(program, line, self._log_format, coloured=self.is_coloured))
            with contextlib.suppress(OSError):
                while data:
                    data = data[os.write(STDOUT, data) :]

    def follow(self, program: str, command: Sequence[str], environ: Mapping[str, str]) -> int:
        """Run a command to its end and say what it says; its exit status."""
        process = None
        buffer = LineBuffer()
        try:
            with stopping.held():
                process = subprocess.Popen(
                    command,
                    env=dict(environ),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=stopping.let_through_in_child,  # no threads here
                )
            assert process.stdout  # noqa: S101 - it is a pipe
            while chunk := os.read(process.stdout.fileno(), 65536):
                self.say(program, *buffer.feed(chunk))
            self.say(program, *buffer.flush())
            return process.wait()
        except BaseException:
            if process:
                process.terminate()
                process.wait()
            raise
