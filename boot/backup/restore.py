"""`doorito restore FILE`.

The file is checked as a whole; the files are staged within MEDIA_ROOT; the database is replaced in one
transaction; then each file is renamed into place. Until that transaction commits, nothing has changed. A
restore that is killed after it is mended by running it again.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from boot import runtime, stopping
from boot.backup import archive, database, media, place, server
from boot.backup.archive import Contents
from boot.backup.errors import Damaged, Unavailable, WrongUse
from boot.backup.place import Place
from boot.backup.progress import Progress, readable
from boot.backup.server import Server
from boot.env import Environment

Facts = dict[str, Any]
Confirm = Callable[[str], bool]


def restore(path: Path, confirm: Confirm, env: Environment, progress: Progress) -> Facts:
    """Put a backup in place of what is here; what there is to say of it.

    `confirm` is told what will be replaced by what, and decides. Raises BackupError.
    """
    start = time.monotonic()
    path = path.resolve()
    environ = place.environment(env)
    root = place.media_root(env)
    if path.is_relative_to(root):
        raise WrongUse(f"{path} is within MEDIA_ROOT, {root}, which is replaced; move it elsewhere first")
    with _open(path) as descriptor:
        contents = _check(path, descriptor, progress)
        with _stopped(env), place.serving(env):
            there = server.ask(environ)
            _refuse_unfit(contents, there)
            here = place.equip(env, environ, there, contents.facts["pg_dump_major"])
            for _ in media.walk(here.media_root):  # what cannot be listed cannot be replaced
                pass
            progress.end()
            if not confirm(_question(contents, here)):
                raise WrongUse("not confirmed; nothing was changed")
            _refuse_unfit(contents, server.ask(environ))  # once more: the answer may have taken its time
            _replace(contents, descriptor, here, progress)
    facts = {name: contents.facts.get(name) for name in ("created", "doorito", "server")}
    return {
        "file": str(path),
        **facts,
        "database": here.server.database,
        "files": len(contents.files),
        "files_bytes": contents.media_size,
        "seconds": round(time.monotonic() - start, 2),
    }


def summary(facts: Facts) -> list[str]:
    """The same for people."""
    return [
        f"restored the backup of {facts['created']} in {facts['seconds']:.1f} s",
        f"  database  {facts['database']}",
        f"  files     {facts['files']}, {readable(facts['files_bytes'])}",
        "  next      a start applies the migrations that are newer (role all, or RUN_MIGRATIONS=true)",
    ]


@contextlib.contextmanager
def _open(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _check(path: Path, descriptor: int, progress: Progress) -> Contents:
    try:
        progress.begin("checking", os.fstat(descriptor).st_size)
        return archive.check(descriptor, progress.advance)
    except Damaged as error:
        raise Damaged(f"{path} is no whole backup: {error}; nothing was changed") from error
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}") from error


@contextlib.contextmanager
def _stopped(env: Environment) -> Iterator[None]:
    """No stack runs in this runtime folder, and none starts inside this block. Raises Unavailable."""
    folder = env["DOORITO_RUNTIME_DIR"]
    if not folder.exists():  # under systemd it goes with the stack; to make it may take root
        yield
        return
    try:
        lock = runtime.claim(folder)
    except runtime.RuntimeFolderError as error:
        message = f"{error}; with Compose: `docker compose stop web celery-worker celery-beat`"
        raise Unavailable(message) from error
    try:
        yield
    finally:
        os.close(lock)


def _refuse_unfit(contents: Contents, there: Server) -> None:
    """An older server, or one where the programs run somewhere else. Raises Unavailable."""
    made_on = contents.facts["server_major"]
    if made_on > there.major:
        message = (
            f"the backup is of PostgreSQL {made_on} and this server is {there.version}; "
            f"restore it on PostgreSQL {made_on} or newer"
        )
        raise Unavailable(message)
    if there.own_sessions:
        count, who = len(there.own_sessions), ", ".join(there.own_sessions)
        message = (
            f"{count} other sessions of our role use the database {there.database} ({who}); stop what "
            "uses it first; with Compose: `docker compose stop web celery-worker celery-beat`"
        )
        raise Unavailable(message)


def _question(contents: Contents, here: Place) -> str:
    others = here.server.other_sessions
    seen = f" {others} sessions of other roles are connected." if others else ""
    return (
        f"This replaces the database {here.server.database} and all in {here.media_root} by the backup of "
        f"{contents.facts['created']}: database {contents.facts['database']} and {len(contents.files)} "
        f"files, {readable(contents.media_size)}.{seen}"
    )


def _replace(contents: Contents, descriptor: int, here: Place, progress: Progress) -> None:
    staging = media.Staging(here.media_root)
    with staging.alone():
        try:
            progress.begin("staging the files", contents.media_size)
            staging.fill(contents, descriptor, progress.advance)
            progress.begin("restoring the database", contents.database.size)
            database.restore(here.tools, here.environ, descriptor, contents.database, progress.reach)
        except BaseException:
            stopping.ignore()
            with contextlib.suppress(OSError):
                staging.clear()
            raise
        progress.begin("putting the files in place")
        staging.swap(contents)
