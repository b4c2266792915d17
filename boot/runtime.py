"""The runtime folder: private, of one supervisord at a time, with the facts that tools read."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

LOCK_FD: Final = 3  # below 5: those supervisord closes when it reloads
CLIENT_CONFIGURATION: Final = """\
; Written by `doorito run`, so that this environment's supervisorctl finds the stack from any folder.
[supervisorctl]
serverurl=unix://{runtime_dir}/supervisor.sock
"""


class RuntimeFolderError(Exception):
    """The runtime folder cannot be used; the message says why, and what to do."""


class AlreadyRunning(RuntimeFolderError):
    """Another supervisord runs in this runtime folder."""


def private(folder: Path) -> int:
    """Make sure that the folder is there and ours alone; a descriptor of it. Raises RuntimeFolderError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        message = f"the runtime folder {folder} cannot be used ({error.strerror}); set DOORITO_RUNTIME_DIR"
        raise RuntimeFolderError(message) from error
    status = os.fstat(descriptor)
    if status.st_uid != os.getuid():
        os.close(descriptor)
        message = f"the runtime folder {folder} belongs to another user; set DOORITO_RUNTIME_DIR"
        raise RuntimeFolderError(message)
    if stat.S_IMODE(status.st_mode) != 0o700:
        os.fchmod(descriptor, 0o700)
    return descriptor


def claim(folder: Path) -> int:
    """Lock the private folder for this process and what it becomes; the lock's descriptor.

    A lock on the folder itself needs no pid file that could be stale, and keeps systemd-tmpfiles from
    ageing what is in it. Raises RuntimeFolderError, AlreadyRunning.
    """
    descriptor = private(folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        message = f"a stack already runs here ({folder}); stop it first: Ctrl-C there, or `supervisorctl shutdown`"
        raise AlreadyRunning(message) from None
    return descriptor


def keep(descriptor: int) -> None:
    """Move the lock to where it outlives exec and a reload of supervisord."""
    os.dup2(descriptor, LOCK_FD, inheritable=True)


def clean(folder: Path) -> None:
    """Remove what a killed supervisord left: nobody else can be using it, since the lock is ours."""
    for path in [folder / "supervisor.sock", folder / "supervisord.pid", *folder.glob("heartbeat/*")]:
        path.unlink(missing_ok=True)


def write_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write facts.json for probes and the plug-in, which read no environment. No secrets."""
    draft = folder / "facts.json.new"
    draft.write_text(json.dumps(facts, indent=1))
    draft.replace(folder / "facts.json")


def point_supervisorctl(folder: Path) -> None:
    """Tell this environment's own supervisorctl where the socket is.

    It looks beside its own folder before anywhere else that we may write. A read-only environment,
    such as an image's, has brought its own file.
    """
    target = Path(sys.prefix, "etc", "supervisord.conf")
    content = CLIENT_CONFIGURATION.format(runtime_dir=folder)
    try:
        if not target.exists() or target.read_text() != content:
            target.parent.mkdir(exist_ok=True)
            draft = target.with_suffix(".new")
            draft.write_text(content)
            draft.replace(target)
    except OSError as error:
        print(f"doorito: supervisorctl needs `-s unix://{folder}/supervisor.sock` ({error})", file=sys.stderr)
