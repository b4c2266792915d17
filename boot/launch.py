"""The thin shell that acts: checks what can be checked, prepares, then becomes supervisord."""

from __future__ import annotations

import contextlib
import difflib
import errno
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NoReturn

from boot import listener, ports, postgres, roles, runtime, stopping
from boot.env import Environment, InvalidEnvironment, load, load_or_exit
from boot.places import BASE_DIR
from boot.start import CONFIGURATION, EX_CONFIG, Refused, Start, children_environment, cluster, prepare
from boot.startlog import StartLog

EX_USAGE: Final = 64


def run(role: str, arguments: Sequence[str], reload: bool) -> int:
    """`doorito run`: its exit status, if it returns at all."""

    def start() -> int:
        if role in roles.SUPERVISED:
            _supervise(role, reload)
        if role == "dev":
            return _develop(arguments)
        return _pass(role, arguments)

    return to_its_end(start)


def run_module(name: str, arguments: Sequence[str]) -> int:
    """A module of ours as a program, beside the embedded database where that is used; as `run` does."""
    env = load_or_exit()
    command = [sys.executable, "-m", name, *arguments]
    return to_its_end(lambda: _beside_database(command, env, children_environment(env)))


def to_its_end(start: Callable[[], int]) -> int:
    """Run it; its exit status, or that of a refusal. TERM, INT and HUP end what it has begun, and then it."""
    os.chdir(BASE_DIR)
    try:
        stopping.raise_on_signals(once=False)
        return start()
    except stopping.Stopped:
        return 0
    except Refused as error:
        print(f"doorito: {error}", file=sys.stderr)
        return error.status


def _refuse_what_cannot_be(reload: bool) -> None:
    """Before anything else, what each program would otherwise meet by itself. Raises Refused."""
    if reload and roles.listens_on_path(load_or_exit().typed):
        raise Refused("WEB_BIND: runserver cannot listen on a Unix socket; set an address", EX_CONFIG)
    if reload and not importlib.util.find_spec("watchfiles"):
        raise Refused("--reload needs watchfiles, which is not installed here; use role dev", EX_CONFIG)
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        mend = "on a read-only root of a container: `--tmpfs /tmp`; elsewhere set TMPDIR"
        raise Refused(f"no folder for temporary files can be written; {mend}", EX_CONFIG) from error


def _supervise(role: str, reload: bool) -> NoReturn:
    env = load_or_exit()
    _refuse_what_cannot_be(reload)
    start = Start(role, reload, env)
    try:
        _start(start)
    except Refused as error:
        if env["LOG_FORMAT"] != "json":
            raise
        start.log.say("doorito", str(error))
        raise SystemExit(error.status) from error


def _start(start: Start) -> NoReturn:
    env, folder, log = start.env, start.folder, start.log
    for warning in env.warnings:
        log.say("doorito", warning)
    try:
        lock = runtime.claim(folder)
    except runtime.RuntimeFolderError as error:
        raise Refused(str(error)) from error
    if start.embedded:
        try:
            postgres.refuse_other_stack(cluster(env))
        except postgres.PostgresError as error:
            raise Refused(str(error)) from error
    start.environ["DOORITO_SOCKET_MODE"] = runtime.socket_mode(lock)
    bound = _bind(env) if "web" in start.names else None
    try:
        runtime.clean(folder)
        is_first = start.embedded and not cluster(env).data.exists()
        with _database(env, start.embedded, log):
            start.prepare()
        start.write_files()
    except BaseException:  # a stop by a signal as well
        if bound:
            listener.discard(bound)
        raise
    status_command = runtime.point_supervisorctl(folder)
    lines = roles.announcement(start.role, env.typed, env.sources, status_command, is_first)
    runtime.keep(lock)
    if bound and roles.holds_socket(start.names, start.reload):
        listener.keep(bound)
    elif bound:
        bound.close()
    _become_supervisord(start.environ, lines)


def _bind(env: Environment) -> socket.socket:
    """The web server's socket. Raises Refused where somebody else has it, or it cannot be."""
    address, port = env["WEB_BIND"], env["WEB_PORT"]
    where = roles.web_address(env.typed)
    try:
        return listener.bind(address, port)
    except listener.NoSocket as error:
        raise Refused(f"cannot listen on {where}: {error}; set WEB_BIND", EX_CONFIG) from error
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise Refused(f"cannot listen on {where} ({error.strerror}); set WEB_BIND or WEB_PORT") from error
        if roles.listens_on_path(env.typed):
            raise Refused(
                f"somebody listens on {where} already; stop that, or set another WEB_BIND"
            ) from error
        who = ports.holder(port)
        by = f" by {who}" if who else ""
        mend = f"stop that, or choose another: WEB_PORT={_other(port)}"
        raise Refused(f"port {port} is taken{by}; {mend}") from error


def _other(port: int) -> int:
    return port + 1 if port < 65535 else port - 1


@contextlib.contextmanager
def _database(env: Environment, embedded: bool, log: StartLog) -> Iterator[None]:
    """The embedded server, where there is one, for as long as preparing needs it."""
    if not embedded:
        yield
        return
    where = cluster(env)
    if not where.data.exists():
        log.say("doorito", f"making a PostgreSQL database in {where.home}")
    try:
        with postgres.serving(where):
            yield
    except postgres.PostgresError as error:
        raise Refused(str(error)) from error


def _become_supervisord(environ: Mapping[str, str], announcement: Sequence[str]) -> NoReturn:
    read, write = os.pipe()
    os.write(write, "\n".join(announcement).encode())
    os.close(write)
    os.set_inheritable(read, True)
    module = "boot.supervision.main"
    arguments = [sys.executable, "-m", module, str(CONFIGURATION), environ["DOORITO_RUNTIME_DIR"], str(read)]
    sys.stdout.flush()
    # A signal from now on waits until supervisord can take it; the plug-in lets them in.
    stopping.hold()
    os.execve(sys.executable, arguments, dict(environ))  # noqa: S606 - a list of arguments, no shell


def _develop(arguments: Sequence[str]) -> int:
    env = load_or_exit()
    log = StartLog(env["LOG_FORMAT"])
    if roles.listens_on_path(env.typed):
        raise Refused("WEB_BIND: runserver cannot listen on a Unix socket; set an address", EX_CONFIG)
    _bind(env).close()
    environ = children_environment(env)
    embedded = roles.is_embedded(env.typed, env.sources)
    with _database(env, embedded, log):
        prepare("dev", env, environ, log)
        _make_room_for_static_files(env, environ)
        if status := subprocess.run(roles.collectstatic(), env=environ, check=False).returncode:
            return status
        _tell_probe(env)
        start = _stay if embedded else _become
        return start(roles.command("dev", arguments, env.typed), environ)


def _make_room_for_static_files(env: Environment, environ: dict[str, str]) -> None:
    """In an image the code is root's: the files go to the runtime folder, unless a place is given."""
    root = env["STATIC_ROOT"]
    nearest = next(path for path in (root, *root.parents) if path.exists())
    if env.sources["STATIC_ROOT"] == "default" and not os.access(nearest, os.W_OK):
        folder = env["DOORITO_RUNTIME_DIR"]
        try:
            os.close(runtime.private(folder))
        except runtime.RuntimeFolderError as error:
            raise Refused(str(error)) from error
        environ["STATIC_ROOT"] = str(folder / "staticfiles")


def _tell_probe(env: Environment) -> None:
    """Let `doorito health` know what to ask, unless a stack in the same folder has told it already."""
    folder = env["DOORITO_RUNTIME_DIR"]
    with contextlib.suppress(runtime.RuntimeFolderError):
        lock = runtime.claim(folder)
        runtime.write_facts(folder, roles.facts("dev", ("web",), True, env.typed, ""))
        os.close(lock)


def _pass(role: str, arguments: Sequence[str]) -> int:
    """`manage`, `doorito` and anything else: what is broken must not keep anybody from looking."""
    command = roles.command(role, arguments, None)
    env = None
    if role == "manage":
        with contextlib.suppress(InvalidEnvironment):  # manage.py says so itself
            env = load()
    return _beside_database(command, env) if env else _become(command)


def _beside_database(
    command: Sequence[str], env: Environment, environ: Mapping[str, str] | None = None
) -> int:
    """Become the command; or run it, where it needs our own database, for as long as that serves."""
    if not roles.is_embedded(env.typed, env.sources):
        return _become(command, environ)
    with _database(env, True, StartLog(env["LOG_FORMAT"])):
        return _stay(command, environ)


def _stay(command: Sequence[str], environ: Mapping[str, str] | None = None) -> int:
    """Run the command, which needs our own database, and hand signals on; its exit status."""
    with stopping.held():
        # No threads here.
        process = subprocess.Popen(command, env=environ, preexec_fn=stopping.let_through_in_child)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the command as well
    while True:
        try:
            status = process.wait()
        except stopping.Stopped:
            process.terminate()
        else:
            return status if status >= 0 else 128 - status


def _become(command: Sequence[str], environ: Mapping[str, str] | None = None) -> NoReturn:
    """Replace this process by the command. Raises Refused."""
    for number in stopping.SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    try:
        if environ is None:
            os.execvp(command[0], list(command))  # noqa: S606 - no shell
        os.execvpe(command[0], list(command), environ)  # noqa: S606 - no shell
    except OSError as error:
        close = difflib.get_close_matches(command[0], roles.NAMES, n=1)
        hint = f"did you mean {close[0]}?" if close else f"the roles are {', '.join(roles.NAMES)}"
        message = f"{command[0]} is no role, and no program that can be run ({error.strerror}); {hint}"
        raise Refused(message, EX_USAGE) from error
