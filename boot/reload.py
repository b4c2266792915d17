"""`doorito reload`: new code and new settings for a stack that runs, and no request is lost.

Everything is checked and prepared first, by this process and beside the stack; only then does supervisord
restart the programs. Connections to the web server wait meanwhile in the socket that it holds.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from boot import plan
from boot.control import Control, NotRunning
from boot.env import load
from boot.plan import Plan
from boot.start import EX_CONFIG, EX_SOFTWARE, Refused, Start

READY_S: Final = 120.0  # seconds beyond the stop's budget that programs may take to be ready again
LOOK_S: Final = 0.1  # seconds between two looks at how far it is
# What supervisord was started with and cannot change; a new value holds from the next start.
FIXED: Final = {
    "probe": "WEB_BIND or WEB_PORT",
    "postmaster_file": "DOORITO_STATE_DIR",
    "embedded": "DATABASE_URL or DOORITO_EMBEDDED_POSTGRES",
}


def base_environment(started_with: Mapping[str, str], facts: Mapping[str, Any]) -> dict[str, str]:
    """The environment that the start was given, of the one that supervisord was: less what the start added.

    That came of its file, which is to be read again, where what is gone is to be gone; or of defaults.
    """
    base = {name: text for name, text in started_with.items() if name not in facts["not_given"]}
    return base | ({"DOORITO_ENV_FILE": facts["env_file"]} if facts["env_file"] else {})


def continued(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of what runs from now on, with those that are the first start's for ever.

    The next reload begins with supervisord's own environment, which is that of the start: what once was not
    given to it stays the file's business. Where the log goes is not where the reload is typed.
    """
    not_given = sorted({*before["not_given"], *after["not_given"]})
    return {**after, "not_given": not_given, "coloured": before["coloured"]}


def fixed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The variables whose change only a whole start can follow."""
    return [variables for fact, variables in FIXED.items() if before[fact] != after[fact]]


def run() -> int:
    """Check, prepare, restart; the exit status.

    Raises NotRunning, InvalidEnvironment, and the Refused of control and of start; nothing has changed then.
    """
    control = Control()
    with _alone(control.folder):
        return _run(control)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two at once would prepare the same database. Raises boot.start.Refused, NotRunning."""
    try:
        lock = (folder / "reload.lock").open("w")
    except OSError as error:
        message = f"no stack runs here ({folder}); start one with `doorito run`"
        raise NotRunning(message) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused("another reload is under way") from None
        yield


def _run(control: Control) -> int:
    started_with = environment_of(control.ask("supervisor.getPID"))
    before = json.loads((control.folder / "facts.json").read_bytes())
    if "not_given" not in before:
        raise Refused("the stack was started by an older version; stop it, and start it", EX_CONFIG)
    env = load(base_environment(started_with, before))
    start = Start(before["role"], before["reload"], env)
    after = continued(before, start.facts())
    changed = fixed(before, after)
    if start.folder != control.folder:
        changed.append("DOORITO_RUNTIME_DIR")
    if changed:
        names = ", ".join(changed)
        raise Refused(f"{names} has changed, which takes a stop and a start", EX_CONFIG)
    for warning in env.warnings:
        start.log.say("doorito", warning)
    start.rehearse()
    start.prepare()
    pids = {program["name"]: program["pid"] for program in status(control)}
    plan.leave(control.folder, Plan(start.environ, after, start.made_files()))
    changes = control.ask("doorito.renew")
    return _Progress(control, pids, changes).follow(before["stop_budget_s"] + READY_S)


def environment_of(pid: int) -> dict[str, str]:
    """What a process was started with. Raises NotRunning where that may not be seen."""
    try:
        items = Path("/proc", str(pid), "environ").read_bytes().split(b"\0")
    except OSError as error:
        message = f"the environment of supervisord (pid {pid}) cannot be read ({error.strerror})"
        raise NotRunning(f"{message}; reload as the user whose stack it is") from error
    pairs = (item.decode(errors="surrogateescape").partition("=") for item in items if item)
    return {name: text for name, _, text in pairs}


class _Progress:
    """Follows what supervisord does, a line for each program. Whoever stops following stops nothing."""

    def __init__(
        self, control: Control, before: Mapping[str, int], changes: Mapping[str, Sequence[str]]
    ) -> None:
        self._control = control
        self._before = before  # pids
        self._awaited = {*changes["restarting"], *changes["added"]}
        self._removed = set(changes["removed"])

    def follow(self, patience_s: float) -> int:
        """Until all are ready, 0; 70 where one is not within so many seconds."""
        deadline = time.monotonic() + patience_s
        while self._awaited or self._removed:
            try:
                found = {program["name"]: program for program in status(self._control)}
            except NotRunning:
                print("doorito reload: the stack has ended meanwhile; its log says why", file=sys.stderr)
                return EX_SOFTWARE
            for name in sorted(self._removed - found.keys()):
                self._removed.remove(name)
                print(f"{name}: stopped, and no longer wanted", flush=True)
            for name in sorted(self._awaited & found.keys()):
                if self._is_back(found[name]):
                    self._awaited.remove(name)
                    print(f"{name}: restarted, ready", flush=True)
            if time.monotonic() > deadline:
                return self._give_up(found)
            time.sleep(LOOK_S)
        return 0

    def _is_back(self, program: Mapping[str, Any]) -> bool:
        is_other = program["pid"] not in (0, self._before.get(program["name"]))
        return is_other and program["state"] == "RUNNING" and bool(program["ready"])

    def _give_up(self, found: Mapping[str, Mapping[str, Any]]) -> int:
        for name in sorted(self._awaited | (self._removed & found.keys())):
            program = found.get(name, {"reasons": ["it is gone"], "state": ""})
            why = "; ".join(program["reasons"]) or program["state"]
            print(f"doorito reload: {name} is not ready again: {why}", file=sys.stderr)
        return EX_SOFTWARE


def status(control: Control) -> list[dict[str, Any]]:
    """What supervisord knows of the programs."""
    found: list[dict[str, Any]] = control.ask("doorito.getStatus")
    return found
