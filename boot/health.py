"""`doorito health [ROLE]`: whether what runs here does its work. Standard library only, and cheap.

It asks /readyz of the web server, and reads what the worker and beat last reported from their own loops
(`boot.heartbeat`): a process that is merely alive is not healthy. What to ask stands in
`<runtime>/facts.json`, which a start writes once it is prepared.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from boot import heartbeat, places, runtime

HEALTHY: Final = 0
UNHEALTHY: Final = 1  # what a container engine takes for unhealthy
SILENT_S: Final = 30.0  # seconds; the loops report every 1 to 5, and a busy machine is slow
ANSWER_S: Final = 4.0  # seconds for /readyz; whoever probes gives up after 5
REQUEST: Final = b"GET /readyz HTTP/1.0\r\nHost: localhost\r\nUser-Agent: doorito-health\r\n\r\n"
MOST_BYTES: Final = 65536  # of an answer


class UnknownProgram(Exception):
    """The stack that runs here has no such role; the message says which it has."""


class Health(NamedTuple):
    """What is known of one program; `reasons` say why it is not ready."""

    program: str
    ready: bool
    reasons: tuple[str, ...] = ()


class Address(NamedTuple):
    """Where the web server can be asked, as a socket takes it."""

    family: socket.AddressFamily
    name: tuple[str, int] | str

    @classmethod
    def of(cls, fact: Any) -> Address:
        """Of facts.json: [host, port], or the path of a Unix socket. Raises ValueError, TypeError."""
        if isinstance(fact, str):
            return cls(socket.AF_UNIX, fact)
        host, port = fact
        return cls(socket.AF_INET6 if ":" in host else socket.AF_INET, (str(host), int(port)))

    def __str__(self) -> str:
        return self.name if isinstance(self.name, str) else f"port {self.name[1]}"


class Facts(NamedTuple):
    """What a start wrote down of itself."""

    role: str
    programs: list[str]
    address: Address  # of /readyz
    postmaster_file: Path  # of the embedded PostgreSQL


def probe(role: str | None = None, folder: Path | None = None) -> list[Health]:
    """The health of each program of the stack in `folder`, or of the one that is called `role`.

    Raises UnknownProgram where the stack runs no such role.
    """
    where = folder or runtime_dir()
    try:
        facts = json.loads((where / "facts.json").read_bytes())
        known = Facts(
            str(facts["role"]),
            [str(program) for program in facts["programs"]],
            Address.of(facts["probe"]),
            Path(facts["postmaster_file"]),
        )
    except FileNotFoundError:
        return _unknown(role, f"nothing has started yet in {where}; a start that waits says so in its log")
    except OSError as error:
        return _unknown(role, f"{where} cannot be read ({error.strerror}); ask as the user whose stack it is")
    except (ValueError, TypeError, KeyError):
        return _unknown(role, f"{where / 'facts.json'} was written by another version")
    chosen = _chosen(role, known)
    if known.role != "dev" and not runtime.is_locked(where):  # `dev` is no stack, and holds no lock
        return [Health(program, False, ("no stack runs here any more",)) for program in chosen]
    return [_ask(program, known, where) for program in chosen]


def main() -> int:
    """`doorito health` without arguments, as probes call it every few seconds: nothing to parse."""
    found = probe()
    print(report(found), end="")
    return HEALTHY if is_healthy(found) else UNHEALTHY


def report(found: Sequence[Health]) -> str:
    """A line for each program: ready, or why not."""
    return "".join(f"{one.program}: {words(one)}\n" for one in found)


def as_json(found: Sequence[Health]) -> str:
    """The same for machines: an object, its `programs` by name."""
    programs = {one.program: {"ready": one.ready, "reasons": list(one.reasons)} for one in found}
    return json.dumps({"ready": is_healthy(found), "programs": programs}) + "\n"


def is_healthy(found: Sequence[Health]) -> bool:
    """Whether all are ready."""
    return all(one.ready for one in found)


def runtime_dir() -> Path:
    """Where supervisorctl would look too: DOORITO_RUNTIME_DIR, what the last start told it, the default."""
    # Read here and not through the registry, whose imports would cost more than the probe.
    given = os.environ.get("DOORITO_RUNTIME_DIR")
    return places.absolute(given) if given else runtime.told() or Path(places.default_runtime_dir())


def judge(program: str, fact: heartbeat.Fact | None, now: float) -> Health:
    """What a report says at `now`, in CLOCK_BOOTTIME seconds like its own time."""
    if fact is None:
        return Health(program, False, ("does not run, or has not reported yet",))
    age = now - fact.at
    if age > SILENT_S:
        return Health(program, False, (f"heartbeat {age:.0f} s old", *fact.reasons))
    return Health(program, fact.ready, fact.reasons)


def of_postmaster(path: Path) -> Health:
    """What PostgreSQL says of itself in its data folder's postmaster.pid, as pg_ctl reads it."""
    try:
        status = path.read_text().splitlines()[7].strip()  # LOCK_FILE_LINE_PM_STATUS, miscadmin.h
    except (OSError, IndexError):
        status = "starting"
    return Health("postgres", status == "ready", () if status == "ready" else (status,))


def words(one: Health) -> str:
    """ready, or why not."""
    return "ready" if one.ready else f"not ready: {'; '.join(one.reasons) or 'it says no more'}"


def silent(address: Address, why: str) -> Health:
    """What is known of a web server that did not answer."""
    return Health("web", False, (f"/readyz does not answer on {address} ({why})",))


def of_answer(address: Address, answer: bytes) -> Health:
    """What the web server says of itself, by its whole answer to REQUEST."""
    head, _, body = answer.partition(b"\r\n\r\n")
    start = head.split(None, 2)
    if len(start) < 2 or not start[0].startswith(b"HTTP/") or not start[1].isdigit():
        return silent(address, "what answers is no web server")
    status = int(start[1])
    try:
        said = json.loads(body)
        return Health("web", status == 200 and said["ready"] is True, tuple(map(str, said["reasons"])))
    except (ValueError, TypeError, KeyError):
        return Health("web", False, (f"/readyz answers {status}, and not in Doorito's words",))


def _unknown(role: str | None, reason: str) -> list[Health]:
    return [Health(role or "start", False, (reason,))]


def _chosen(role: str | None, facts: Facts) -> list[str]:
    if role in (None, facts.role):
        return facts.programs
    if role not in facts.programs:
        raise UnknownProgram(f"{role} does not run here; what does is {', '.join(facts.programs)}")
    return [role]


def _ask(program: str, facts: Facts, folder: Path) -> Health:
    if program == "web":
        return _ask_web(facts.address)
    if program == "postgres":
        return of_postmaster(facts.postmaster_file)
    return judge(program, heartbeat.read(folder, program), heartbeat.now())


def _ask_web(address: Address) -> Health:
    try:
        return of_answer(address, _get(address))
    except OSError as error:
        return silent(address, error.strerror or str(error))


def _receive(connection: socket.socket, deadline: float) -> bytes:
    """Some bytes, none at the end. One deadline for all: whoever probes has one too."""
    connection.settimeout(max(0.001, deadline - time.monotonic()))
    return connection.recv(MOST_BYTES)


def _get(address: Address) -> bytes:
    """The answer to REQUEST. By hand: http.client takes as long to import as all the rest."""
    deadline = time.monotonic() + ANSWER_S
    with socket.socket(address.family, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_S)
        connection.connect(address.name)
        connection.sendall(REQUEST)
        answer = b""
        while len(answer) < MOST_BYTES and (chunk := _receive(connection, deadline)):
            answer += chunk
    return answer
