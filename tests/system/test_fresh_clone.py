"""What somebody meets who has just cloned the project: `make run` on a machine with Python and make."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from boot import env, places
from tests.ports import free_port
from tests.system.copies import copy_tree
from tests.system.stack import ROOT, wait_until

pytestmark = pytest.mark.system
PROGRAMS = ("postgres", "web", "celery-worker", "celery-beat")


class Checkout:
    """A clone with nothing installed, where `make run` is typed."""

    def __init__(self, folder: Path) -> None:
        self.folder = copy_tree(folder, with_environment=False)
        self.port = free_port()
        self.log = folder.parent / "log"
        # What is the machine's own, such as certificates and package caches; nothing of the tests'.
        ours = {*env.VARIABLES, *(f"{name}_FILE" for name in env.VARIABLES), "VIRTUAL_ENV"}
        self.environ = {name: value for name, value in os.environ.items() if name not in ours}
        # Where the checkout's user would find them: paths are what `boot.places` makes of the folder.
        self.runtime_dir = Path(f"/tmp/doorito-{os.getuid()}-{places.fingerprint(folder)}")
        self.postgres_home = places.postgres_home(folder / ".state")

    @contextlib.contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """`make run`, from before its first line until after its last."""
        before = self.text().count("| ready: ")
        with self.log.open("ab") as output:
            process = subprocess.Popen(
                ["make", "run", f"WEB_PORT={self.port}"],
                cwd=self.folder,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            ready = lambda: self.text().count("| ready: ") > before or process.poll() is not None  # noqa: E731
            wait_until("make run", ready, self.text)
            assert process.poll() is None, self.text()
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)  # what Ctrl-C does in a terminal
            process.wait(60)

    def text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def status(self) -> list[str]:
        """What `supervisorctl status` prints, typed without an option, in another folder."""
        command = [str(self.folder / ".venv" / "bin" / "supervisorctl"), "status"]
        return subprocess.run(
            command, cwd="/", capture_output=True, text=True, check=False
        ).stdout.splitlines()


@pytest.fixture
def checkout() -> Iterator[Checkout]:
    """A checkout whose path has spaces in it and is 150 characters long."""
    folder = Path(tempfile.mkdtemp(prefix="doorito-clone-"))
    deep = folder / f"{('with spaces ' * 12)[: 148 - len(str(folder))]}x"
    assert len(str(deep)) == 150
    fresh = Checkout(deep)
    try:
        yield fresh
    finally:
        for left in (folder, fresh.runtime_dir, fresh.postgres_home):
            shutil.rmtree(left, ignore_errors=True)


def test_make_run_sets_everything_up_and_runs_it_and_finds_it_again(checkout: Checkout) -> None:
    """The first `make run` writes a private file and starts all programs; the second finds them again."""
    with checkout.running():
        assert sorted(line.split()[:2] for line in checkout.status()) == sorted(
            [p, "RUNNING"] for p in PROGRAMS
        )
    settings = checkout.folder / ".env.local"
    written = settings.read_text()
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    password = written.partition("DJANGO_SUPERUSER_PASSWORD='")[2].partition("'")[0]
    assert f"first password {password}" in checkout.text()
    assert f"http://localhost:{checkout.port}" in checkout.text()
    assert "created the administrator admin@example.com" in checkout.text()
    assert not list(checkout.runtime_dir.glob("*.sock"))

    with checkout.running():
        assert len(checkout.status()) == len(PROGRAMS)
    assert settings.read_text() == written
    assert checkout.text().count("created the administrator") == 1
    assert "Traceback" not in checkout.text()


def bootstrap(folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """`boot/bootstrap.sh` on a PATH that holds a shell, its tools, and whatever `folder` adds."""
    for tool in ("sh", "dirname", "uname"):
        if not (folder / tool).exists():
            (folder / tool).symlink_to(shutil.which(tool) or tool)
    return subprocess.run(
        [ROOT / "boot" / "bootstrap.sh", "run"],
        env={"PATH": str(folder), **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_python_that_is_too_old_is_named_with_the_package_that_mends_it(tmp_path: Path) -> None:
    """An old Python ends the set-up before anything happens, in words that say what to install."""
    old = tmp_path / "python3"
    # Says its version, and fails when asked whether it is new enough.
    old.write_text('#!/bin/sh\ncase "$2" in *print*) echo 3.9.2 ;; *) exit 1 ;; esac\n')
    old.chmod(0o755)
    done = bootstrap(tmp_path)
    assert done.returncode == 78
    assert "Python 3.12 or newer is needed; python3 is 3.9.2" in done.stderr
    assert "apt install python3.12 python3.12-venv" in done.stderr


def test_a_machine_without_python_is_told_what_to_install(tmp_path: Path) -> None:
    """No Python at all is said as plainly."""
    done = bootstrap(tmp_path)
    assert done.returncode == 78
    assert "none was found" in done.stderr


def test_a_python_without_venv_is_named_with_the_package_that_mends_it(tmp_path: Path) -> None:
    """Debian's Python comes without venv: its package is named before anything happens."""
    (tmp_path / "python3").symlink_to(ROOT / ".venv" / "bin" / "python")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "ensurepip.py").write_text("raise ImportError\n")
    done = bootstrap(tmp_path, PYTHONPATH=str(broken))
    assert done.returncode == 78
    assert "lacks venv" in done.stderr
    assert "-venv" in done.stderr
