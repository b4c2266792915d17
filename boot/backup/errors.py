"""Why a backup or a restore cannot be; each ends the command with its message and status."""

from __future__ import annotations

from typing import ClassVar, Final

EX_USAGE: Final = 64  # sysexits.h, as the statuses below
EX_DATAERR: Final = 65
EX_UNAVAILABLE: Final = 69
EX_SOFTWARE: Final = 70
EX_CONFIG: Final = 78


class BackupError(Exception):
    """Base of the others; the message says what was wrong and what mends it."""

    status: ClassVar[int] = EX_SOFTWARE


class WrongUse(BackupError):
    """The command was asked for something that it does not do."""

    status = EX_USAGE


class Damaged(BackupError):
    """The file is no backup, or not the one that was written."""

    status = EX_DATAERR


class Unavailable(BackupError):
    """Something outside is missing: the server, its client programs, a folder, room on a disk."""

    status = EX_UNAVAILABLE


class ProgramFailed(BackupError):
    """pg_dump, pg_restore or psql failed; the message holds what it said."""

    status = EX_SOFTWARE


class WrongConfiguration(BackupError):
    """The environment describes something that cannot be backed up."""

    status = EX_CONFIG
