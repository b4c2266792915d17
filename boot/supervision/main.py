"""supervisord in the foreground, with an exit status that is ours.

    python -m boot.supervision.main CONFIGURATION RUNTIME_DIR [ANNOUNCEMENT_FD]

The announcement, lines read from an inherited descriptor, is said once all programs are ready. It may
hold the first password of a development machine, so it is on no command line and in no file.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Final

from supervisor.options import ServerOptions, decode_wait_status
from supervisor.states import SupervisorStates
from supervisor.supervisord import go

from boot import listener
from boot.supervision.facts import Facts
from boot.supervision.plugin import HELD_SIGNALS, Plugin
from boot.supervision.poller import Poller

STOPS: Final = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
HANDLED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR2)
# Its stop signal is the one that Python itself takes while it starts: raised in a callback there, the stop
# would be lost. So it is held from the fork on, and `doorito postgres` lets it in.
HOLDS_INTERRUPT: Final = "postgres"
EX_UNAVAILABLE: Final = 69
EX_SOFTWARE: Final = 70  # sysexits.h; ours: a program failed for good


class Options(ServerOptions):  # type: ignore[misc] # supervisor brings no types
    """supervisord's options, which fork for it."""

    plugin: Plugin | None = None
    starting = ""  # the program that is forked for; the plug-in says which
    holds_socket = False  # whether the web server gets its listening socket from here

    def __init__(self) -> None:
        super().__init__()
        self.poller: Poller = Poller(self)
        self.ends: dict[int, str] = {}  # how the process ended that is being looked after, by pid

    def fork(self) -> int:
        """Fork so that a signal reaches a child that has not become its program yet.

        The child would have supervisord's handlers until its exec, and swallow a stop that comes then:
        the program would run on until it is killed.
        """
        let_in = set(HANDLED)
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        try:
            pid = os.fork()
        except OSError:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
            raise
        if pid == 0:
            for number in HANDLED:
                signal.signal(number, signal.SIG_DFL)
            if self.starting == HOLDS_INTERRUPT:
                let_in.remove(signal.SIGINT)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, let_in)
        return pid

    def waitpid(self) -> tuple[int | None, int | None]:
        """supervisord tells its log, and nobody else, which signal it was."""
        pid, status = super().waitpid()
        if pid:
            # It is looked after before the next one is waited for.
            self.ends = {pid: decode_wait_status(status)[1]}
        return pid, status

    def close_fd(self, fd: int) -> None:
        """A child closes all that it inherited, but for what it is to be given."""
        if fd != listener.FD or not self._is_handed_over:
            super().close_fd(fd)

    def execve(self, filename: str, argv: list[str], env: dict[str, str]) -> None:
        super().execve(filename, argv, listener.hand_over(env) if self._is_handed_over else env)

    @property
    def _is_handed_over(self) -> bool:
        return self.holds_socket and self.starting == "web"


def main(configuration: str, runtime_dir: str, announcement: list[str]) -> int:
    """Run until told to stop; 0, or 70 where a program could not be kept running."""
    first = True
    ignores_hangup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    holds_socket = _listen(Path(runtime_dir))
    while True:
        options = Options()
        options.ignores_hangup = ignores_hangup
        options.holds_socket = holds_socket
        options.announcement = announcement if first else []
        options.realize(["-n", "-c", configuration])
        options.first = first
        options.test = False
        try:
            go(options)
        finally:
            if options.plugin:
                options.plugin.close()
        # Held until the next life can take them, or there is none.
        signal.pthread_sigmask(signal.SIG_BLOCK, HELD_SIGNALS)
        options.close_httpservers()
        options.close_logger()
        if options.plugin and options.plugin.failure.cause:
            return EX_SOFTWARE
        if options.mood < SupervisorStates.RESTARTING or _was_told_to_stop(options):
            return 0
        first = False  # SIGHUP or `supervisorctl reload`: once more, with the files as they are now


def _was_told_to_stop(options: Options) -> bool:
    """By a signal that came when its loop had ended."""
    return bool(STOPS & set(options.signal_receiver._signals_recvd))


def _listen(runtime_dir: Path) -> bool:
    """Whether there is a socket to hold, which listens from now on."""
    facts = Facts.read(runtime_dir)
    if facts.holds_socket:
        try:
            listener.listen(facts.backlog)
        except OSError as error:  # bound since the start, but somebody else who was bound as well listens
            print(
                f"doorito: cannot listen where WEB_BIND and WEB_PORT say: {error.strerror}", file=sys.stderr
            )
            sys.exit(EX_UNAVAILABLE)
    return facts.holds_socket


def _read(descriptor: int) -> list[str]:
    with os.fdopen(descriptor) as stream:
        return stream.read().splitlines()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], _read(int(sys.argv[3])) if len(sys.argv) > 3 else []))
