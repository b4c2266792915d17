"""`doorito backup FILE`.

The database first, then the files. A file is stored before its row and deleted before it, and never changes:
so whatever a row of the dump names was there when the dump began, and is missing from the backup only where
it was deleted since, with its row. Files that came later have no row; the clean-up finds them.
"""

from __future__ import annotations

import contextlib
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from boot.backup import archive, database, media, place, server, target
from boot.backup.archive import DATABASE, MEDIA, Contents
from boot.backup.errors import Damaged, Unavailable
from boot.backup.place import Place
from boot.backup.progress import Progress, readable
from boot.env import Environment

Facts = dict[str, Any]


def backup(path: Path, force: bool, env: Environment, progress: Progress) -> Facts:
    """Write a backup, read it back and check it; what there is to say of it. Raises BackupError."""
    start, now = time.monotonic(), datetime.now(UTC)
    path = path.resolve()
    environ = place.environment(env)
    target.refuse_unfit(path, force, place.media_root(env))
    with place.serving(env), target.writing(path, force) as descriptor:
        here = place.equip(env, environ, server.ask(environ))
        _write(descriptor, here, now, progress)
        contents = _read_back(descriptor, here, progress)
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        **{name: contents.facts[name] for name in ("created", "database", "server")},
        "files": len(contents.files),
        "files_bytes": contents.media_size,
        "seconds": round(time.monotonic() - start, 2),
    }


def summary(facts: Facts) -> list[str]:
    """The same for people."""
    return [
        f"{facts['file']}: {readable(facts['bytes'])} in {facts['seconds']:.1f} s, read back and checked",
        f"  database  {facts['database']} (PostgreSQL {facts['server']})",
        f"  files     {facts['files']}, {readable(facts['files_bytes'])}",
        f"  restore   doorito restore {facts['file']}",
    ]


def _write(descriptor: int, here: Place, now: datetime, progress: Progress) -> None:
    writer = archive.Writer(descriptor)
    mtime = int(now.timestamp())
    progress.begin(f"dumping the database (at most {readable(here.server.size)})")
    with contextlib.closing(database.dump(here.tools, here.environ)) as chunks:
        writer.add(DATABASE, progress.counted(chunks), mtime=mtime)
    progress.begin("copying the files", sum(entry.size for entry in media.walk(here.media_root)))
    for entry in media.walk(here.media_root):
        name = MEDIA + entry.path
        if entry.is_folder:
            writer.add_folder(name, entry.mode)
        elif (content := media.content(here.media_root / entry.path)) is not None:
            writer.add(name, progress.counted(content), entry.mode, entry.mtime)
    facts = {
        "created": now.isoformat(timespec="seconds"),
        "doorito": place.version(),
        "database": here.server.database,
        "server": here.server.version,
        "server_major": here.server.major,
        "pg_dump_major": here.tools.major,
    }
    writer.finish(facts, mtime)


def _read_back(descriptor: int, here: Place, progress: Progress) -> Contents:
    """What stands in the file, which must be what was written: a disk that lies is found out now."""
    progress.begin("checking", os.fstat(descriptor).st_size)
    try:
        contents = archive.check(descriptor, progress.advance)
        database.contents(here.tools, here.environ, descriptor, contents.database)
    except Damaged as error:
        raise Unavailable(
            f"what was written is not what is read back ({error}): is the disk sound?"
        ) from error
    return contents
