"""Whether the folders that programs write into can be written into: each is really tried."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from boot import runtime
from boot.doctor.deployment import Deployment
from boot.doctor.finding import Finding, error, ok, skipped

CHECK: Final = "folders"
WRITING_MEDIA: Final = frozenset({"web", "celery-worker"})


@dataclass(frozen=True)
class Folder:
    """A folder that was tried; `wrong` is None where all is well."""

    variable: str
    path: Path
    wrong: str | None = None
    mend: str = ""


def names(deployment: Deployment) -> list[str]:
    """The variables of the folders that the programs write into."""
    uploads = ["MEDIA_ROOT"] if WRITING_MEDIA & {*deployment.programs} else []
    return ["DOORITO_STATE_DIR", *uploads, "DOORITO_RUNTIME_DIR"]


def check(deployment: Deployment) -> Iterator[Finding]:
    wanted = names(deployment)
    yield from (skipped(CHECK, lacking) for name in wanted if (lacking := deployment.lacks(name)))
    tried = [_try(name, path) for name in wanted if (path := deployment.value(name))]
    yield from writable([*tried, _try("TMPDIR", temporary(deployment))], os.geteuid())


def temporary(deployment: Deployment) -> Path:
    """Where Python's tempfile puts its files."""
    return Path(deployment.env.merged.get("TMPDIR") or "/tmp")  # noqa: S108 - only looked at


def writable(folders: list[Folder], user: int) -> Iterator[Finding]:
    """One line for all that are well, one for each that is not."""
    for folder in folders:
        if folder.wrong:
            yield error(CHECK, f"{folder.variable}: {folder.wrong}", folder.mend)
    well = [str(folder.path) for folder in folders if not folder.wrong]
    if well:
        yield ok(CHECK, f"user {user} can write into {', '.join(well)}")


def existing(path: Path) -> Path:
    """The folder itself, or the nearest above it that is there: it would be made in that one."""
    return next(place for place in (path, *path.parents) if os.path.lexists(place))


def refusal(place: Path) -> str | None:
    """Why no file can be written into a folder; None where one was. It is gone at once, without a name."""
    try:
        with tempfile.TemporaryFile(dir=place, prefix=".doorito-doctor-") as file:
            file.write(b"\0")
            file.flush()
    except OSError as error:
        return error.strerror
    return None


def _try(variable: str, path: Path) -> Folder:
    if variable == "DOORITO_RUNTIME_DIR" and os.path.lexists(path) and (failure := _intrusion(path)):
        wrong, _, mend = failure.partition("; ")
        return Folder(variable, path, wrong, mend)
    place = path if variable == "TMPDIR" else existing(path)  # nobody makes the last
    refused = refusal(place)
    if not refused:
        return Folder(variable, path)
    what = "" if place == path else f"{path} is missing, and "
    mend = f"let user {os.geteuid()} write there (`chown`, or a writable mount), or set {variable}"
    return Folder(variable, path, f"{what}{place} cannot be written into ({refused})", mend)


def _intrusion(folder: Path) -> str | None:
    """Why the runtime folder is not ours alone, and after a semicolon what mends it."""
    try:
        os.close(runtime.private(folder))
    except runtime.RuntimeFolderError as error:
        return str(error)
    return None
