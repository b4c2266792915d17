"""The runtime folder: private, of one supervisord at a time, with the facts that tools read."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import stat
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from boot import drain
from boot.places import BASE_DIR

LOOKED_AT_S: Final = 0.2  # seconds; a probe that finds nobody holds the lock for less
LOCK_FD: Final = 3  # below 5: those supervisord keeps when it reloads
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
    """Make sure that the folder is there and closed to others; a descriptor of it.

    A folder of mode 0750 was given to our own group, by systemd or by an administrator: it may look, and
    use supervisorctl, but put nothing in. We make none such. Raises RuntimeFolderError.
    """
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
    if stat.S_IMODE(status.st_mode) != 0o700 and not _is_given_to_group(status):
        os.close(descriptor)
        # Not mended: it may be a folder that others use, /tmp by mistake.
        message = f"the runtime folder {folder} is open to others; `chmod 700` it, or set DOORITO_RUNTIME_DIR"
        raise RuntimeFolderError(message)
    return descriptor


def socket_mode(descriptor: int) -> str:
    """The mode of supervisord's socket in the private folder, in octal digits: who may enter may ask."""
    return "0660" if _is_given_to_group(os.fstat(descriptor)) else "0600"


def claim(folder: Path) -> int:
    """Lock the private folder for this process and what it becomes; the lock's descriptor.

    A lock on the folder itself needs no pid file that could be stale, and keeps systemd-tmpfiles from
    ageing what is in it. Raises RuntimeFolderError, AlreadyRunning.
    """
    descriptor = private(folder)
    deadline = time.monotonic() + LOOKED_AT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(LOOKED_AT_S / 10)
                continue
            os.close(descriptor)
            mend = "stop it first: Ctrl-C there, or `supervisorctl shutdown`"
            raise AlreadyRunning(f"a stack already runs here ({folder}); {mend}") from None
        return descriptor


def keep(descriptor: int) -> None:
    """Move the lock to where it outlives exec and a reload of supervisord."""
    if descriptor != LOCK_FD:
        os.dup2(descriptor, LOCK_FD)
    os.set_inheritable(LOCK_FD, True)  # dup2 of a descriptor onto itself does not


def clean(folder: Path) -> None:
    """Remove what a killed supervisord left: nobody else can be using it, since the lock is ours."""
    left = [folder / name for name in ("supervisor.sock", "supervisord.pid", "facts.json", drain.NAME)]
    for path in [*left, *folder.glob("heartbeat/*"), *made(folder).glob("*.conf")]:
        path.unlink(missing_ok=True)


def made(folder: Path) -> Path:
    """Where the program files stand that a start makes."""
    return folder / "programs"


def read_facts(folder: Path) -> dict[str, Any]:
    """What `write_facts` has written."""
    facts: dict[str, Any] = json.loads((folder / "facts.json").read_bytes())
    return facts


def read_made(folder: Path) -> dict[str, str]:
    """Those program files that are there, by name."""
    return {path.name: path.read_text() for path in made(folder).glob("*.conf")}


def write_made(folder: Path, files: Mapping[str, str]) -> None:
    """Write those program files, by name, in place of those that are there."""
    for path in made(folder).glob("*.conf"):
        path.unlink()
    if files:
        made(folder).mkdir(mode=0o700, exist_ok=True)
    for name, text in files.items():
        (made(folder) / name).write_text(text)


def write_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write facts.json for probes and the plug-in, which read no environment. No secrets."""
    draft = folder / "facts.json.new"
    draft.write_text(json.dumps(facts, indent=1))
    draft.replace(folder / "facts.json")


def told() -> Path | None:
    """The runtime folder where this environment's supervisorctl looks, by the file that we wrote for it."""
    return _told(Path(sys.prefix, "etc", "supervisord.conf"))


def point_supervisorctl(folder: Path) -> str:
    """Tell this environment's own supervisorctl where the socket is; the command that shows the status.

    It looks beside its own folder before anywhere else that we may write. A stack that runs from another
    folder keeps what it was told first, and an image's read-only environment has brought its own file.
    """
    target = Path(sys.prefix, "etc", "supervisord.conf")
    command = Path(sys.prefix, "bin", "supervisorctl")
    with contextlib.suppress(OSError):
        told = _told(target)
        if told != folder and not (told and is_locked(told)):
            target.parent.mkdir(exist_ok=True)
            draft = target.with_suffix(f".{os.getpid()}")
            draft.write_text(CLIENT_CONFIGURATION.format(runtime_dir=folder))
            draft.replace(target)
    where = "" if _told(target) == folder else f" -s unix://{folder}/supervisor.sock"
    return f"{_short(command)}{where} status"


def _is_given_to_group(status: os.stat_result) -> bool:
    return stat.S_IMODE(status.st_mode) == 0o750 and status.st_gid == os.getegid()


def _short(command: Path) -> str:
    """The command as one types it: by its name where the PATH leads to it, else as in the checkout."""
    import shutil  # here: the health probe is to be cheap

    if shutil.which(command.name) == str(command):
        return command.name
    return str(command.relative_to(BASE_DIR) if command.is_relative_to(BASE_DIR) else command)


def _told(target: Path) -> Path | None:
    """The runtime folder that supervisorctl's file names."""
    match = re.search(r"^serverurl=unix://(.+)/supervisor\.sock$", _text(target), re.MULTILINE)
    return Path(match[1]) if match else None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def is_locked(folder: Path) -> bool:
    """Whether a stack runs in it, or starts."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
