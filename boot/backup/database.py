"""The database: pg_dump's output, and one transaction that puts a dump in place of what is there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from boot import parent, stopping
from boot.backup.archive import CHUNK, Member
from boot.backup.errors import ProgramFailed
from boot.backup.tools import Tools
from boot.places import BASE_DIR

EMPTY: Final = Path(__file__).with_name("empty.sql")
LOCK_MS: Final = 60_000  # milliseconds; somebody may be migrating
SHOWN: Final = 2000  # characters of what a program said, the last
LOOK_S: Final = 0.2  # seconds between two looks at how far it is
PSQL_END: Final = signal.SIGINT  # it cancels its statement, for which the server would go on waiting
END_S: Final = 10.0  # seconds that a program has to end when it is told to
# An extension brings its own; to comment on one that stayed takes its owner, a superuser most likely.
EXTENSION_COMMENT: Final = re.compile(r"^\d+; \d+ \d+ COMMENT - EXTENSION ")

Environ = Mapping[str, str]


def dump(tools: Tools, environ: Environ) -> Generator[bytes]:
    """A dump of the whole database, as it is at this moment. Raises ProgramFailed.

    Publications and subscriptions stay out: they tie the database to others.
    """
    command = [
        tools.program("pg_dump"),
        "--format=custom",
        "--no-password",
        f"--lock-wait-timeout={LOCK_MS}",
        "--no-publications",
        "--no-subscriptions",
    ]
    with tempfile.TemporaryFile() as said:
        process = _start(command, environ, stdout=subprocess.PIPE, stderr=said)
        assert process.stdout  # noqa: S101 - it is a pipe
        try:
            while chunk := process.stdout.read(CHUNK):
                yield chunk
            process.wait()
        finally:
            process.stdout.close()
            _end(process)
        if process.returncode:
            raise ProgramFailed(f"pg_dump failed: {_last_words(said, process)}")


def contents(tools: Tools, environ: Environ, descriptor: int, member: Member) -> list[str]:
    """What a dump holds, a line each, as `pg_restore --list` says. Raises ProgramFailed."""
    os.lseek(descriptor, member.offset, os.SEEK_SET)
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as listed:
        command = [tools.program("pg_restore"), "--list"]
        process = _start(command, environ, stdin=descriptor, stdout=listed, stderr=said)
        try:
            process.wait()
        finally:
            _end(process)
        if process.returncode:
            raise ProgramFailed(f"pg_restore cannot read the dump: {_last_words(said, process)}")
        listed.seek(0)
        return listed.read().decode(errors="surrogateescape").splitlines()


def restore(
    tools: Tools, environ: Environ, descriptor: int, member: Member, reached: Callable[[int], None]
) -> None:
    """Replace the database by a dump, in one transaction: all of it, or nothing.

    `descriptor` is the backup's, whose position is moved; `reached` is told now and then how many bytes of
    the dump have been read. Raises ProgramFailed, or Stopped: the database is as it was then. Once it is
    replaced, signals are ignored: what is left to do belongs to it.
    """
    chosen = [
        line for line in contents(tools, environ, descriptor, member) if not EXTENSION_COMMENT.match(line)
    ]
    os.lseek(descriptor, member.offset, os.SEEK_SET)
    with (
        tempfile.NamedTemporaryFile("w", errors="surrogateescape") as listed,
        tempfile.TemporaryFile() as psql_said,
        tempfile.TemporaryFile() as answers,
        tempfile.TemporaryFile() as restore_said,
    ):
        listed.write("\n".join(chosen))
        listed.flush()
        psql = _start(
            psql_command(tools),
            environ,
            PSQL_END,
            stdin=subprocess.PIPE,
            stdout=answers,
            stderr=psql_said,
        )
        assert psql.stdin  # noqa: S101 - it is a pipe
        command = restore_command(tools, listed.name)
        pg_restore = _start(command, environ, stdin=descriptor, stdout=psql.stdin, stderr=restore_said)
        psql.stdin.close()  # or psql would wait for more than pg_restore writes
        try:
            _follow(psql, lambda: reached(os.lseek(descriptor, 0, os.SEEK_CUR) - member.offset))
            pg_restore.wait()
            stopping.ignore()
        except stopping.Stopped:
            _abort(pg_restore, psql)
            if not _has_committed(answers):  # else the stop came too late
                raise
        finally:
            _abort(pg_restore, psql)
        if not _has_committed(answers):
            raise ProgramFailed(_failure(psql, psql_said, pg_restore, restore_said))


def psql_command(tools: Tools) -> list[str]:
    """What runs the dump's statements; COMMIT is the dump's last, so that half a dump changes nothing."""
    begin = ["--command=BEGIN", f"--file={EMPTY}", "--file=-"]
    options = ["--no-psqlrc", "--no-password", "--set=ON_ERROR_STOP=1"]
    return [tools.program("psql"), *options, *begin]


def restore_command(tools: Tools, listed: str) -> list[str]:
    """What turns a dump into statements: for whoever connects, with what the server's own defaults are."""
    options = ["--single-transaction", "--no-owner", "--no-privileges", "--no-tablespaces"]
    return [tools.program("pg_restore"), *options, f"--use-list={listed}", "--file=-"]


def _start(
    command: Sequence[str], environ: Environ, end: signal.Signals = signal.SIGTERM, **streams: Any
) -> subprocess.Popen[bytes]:
    """A program that is sent `end` when this process is killed. Ctrl-C does not reach it: that is for us."""
    return subprocess.Popen(
        command,
        env=dict(environ),
        cwd=BASE_DIR,  # as the programs': a certificate's path may be relative
        start_new_session=True,
        preexec_fn=lambda: parent.follow(end),  # no threads here
        **{"stdin": subprocess.DEVNULL, **streams},
    )


def _follow(process: subprocess.Popen[bytes], look: Callable[[], None]) -> None:
    while True:
        try:
            process.wait(LOOK_S)
        except subprocess.TimeoutExpired:
            look()
        else:
            return


def _abort(pg_restore: subprocess.Popen[bytes], psql: subprocess.Popen[bytes]) -> None:
    """End both; without pg_restore no COMMIT comes."""
    _end(pg_restore)
    _end(psql, PSQL_END)


def _end(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM) -> None:
    """Have a program end, if it has not; wait for it."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _has_committed(answers: IO[bytes]) -> bool:
    """Whether psql's last answer is that of COMMIT."""
    size = answers.seek(0, os.SEEK_END)
    answers.seek(max(0, size - CHUNK))
    return answers.read().split()[-1:] == [b"COMMIT"]


def _failure(
    psql: subprocess.Popen[bytes], psql_said: IO[bytes], pg_restore: subprocess.Popen[bytes], said: IO[bytes]
) -> str:
    if psql.returncode == 0:
        return f"pg_restore failed: {_last_words(said, pg_restore)}; nothing was changed"
    words = _last_words(psql_said, psql)
    if psql.returncode == 2:  # psql(1): the connection went bad
        return f"the connection to the database was lost: {words}; run the same restore again"
    return f"psql failed: {words}; nothing was changed"


def _last_words(said: IO[bytes], process: subprocess.Popen[bytes]) -> str:
    said.seek(0)
    text = said.read().decode(errors="replace")
    lines = [line for line in text.splitlines() if "already a transaction in progress" not in line]
    return "\n".join(lines).strip()[-SHOWN:] or f"it ended with status {process.returncode}"
