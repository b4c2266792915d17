"""Run by a unit in place of Doorito: tries what a plain user may do and the unit's directives forbid.

Prints "DIRECTIVE: refused" or "DIRECTIVE: allowed", a line each. Standard library only.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
from collections.abc import Callable
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)
PER_LINUX32 = 0x0008
SYSTEM_CALLS_ARE_FILTERED = "Seccomp:\t2"


def need(truth: bool) -> None:
    """Raise where something is hidden, as the kernel raises where something is refused."""
    if not truth:
        raise PermissionError


def status() -> str:
    return Path("/proc/self/status").read_text()


def overwrite_the_configuration() -> None:
    Path("/etc/doorito/environment").open("r+b").close()  # its own file, 0600


def make_a_set_user_id_file() -> None:
    path = Path("/tmp/set-user-id")
    path.touch()
    path.chmod(0o4755)


def change_the_execution_domain() -> None:
    need(libc.personality(PER_LINUX32) != -1)


ATTEMPTS: dict[str, Callable[[], object]] = {
    "ProtectSystem": overwrite_the_configuration,
    "ProtectHome": lambda: list(Path("/home").iterdir()),
    "PrivateTmp": lambda: need(Path("/tmp/of-the-host").exists()),
    "ProtectProc": lambda: need(Path("/proc/1/status").exists()),
    "ProcSubset": lambda: need(Path("/proc/meminfo").exists()),
    "RestrictAddressFamilies": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close(),
    "RestrictSUIDSGID": make_a_set_user_id_file,
    "LockPersonality": change_the_execution_domain,
    "MemoryDenyWriteExecute": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC),
    "SystemCallFilter": lambda: os.setpriority(os.PRIO_PROCESS, 0, 1),
    "SystemCallArchitectures": lambda: need(SYSTEM_CALLS_ARE_FILTERED not in status()),
    "CapabilityBoundingSet": lambda: need("CapBnd:\t0000000000000000" not in status()),
    "NoNewPrivileges": lambda: need("NoNewPrivs:\t1" not in status()),
    "UMask": lambda: need(os.umask(0o077) != 0o077),
}

for directive, attempt in ATTEMPTS.items():
    try:
        attempt()
        print(f"{directive}: allowed")
    except OSError:
        print(f"{directive}: refused")
