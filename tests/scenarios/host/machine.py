"""A plain Debian host in a container, with systemd as process 1, and a PostgreSQL 16 beside it."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from tests.scenarios.engine import POSTGRES, run
from tests.system.copies import copy_tree
from tests.system.stack import ROOT, wait_until

IMAGE = "doorito-test-host"
CHECKOUT = "/srv/doorito"
INSTALLS = ("pyproject.toml", "uv.lock", "boot/bootstrap.sh")  # what packages depend on
README = ROOT / "deploy" / "README.md"
# What systemd needs to be process 1. Not --privileged, which some engines are unable to grant.
SYSTEMD = [
    *(
        "--cap-add",
        "SYS_ADMIN",
        "--security-opt",
        "seccomp=unconfined",
        "--security-opt",
        "apparmor=unconfined",
    ),
    *("--cgroupns", "host", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw"),
    *("--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp"),
]


def docker(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the docker command to its end."""
    done = run("docker", *arguments)
    assert not check or done.returncode == 0, f"docker {arguments}: {done.stdout}{done.stderr}"
    return done


def readme(heading: str, number: int = 0) -> str:
    """The commands of a section of deploy/README.md: those of its first block, or of another."""
    section = README.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    blocks: list[str] = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return blocks[number]


class Machine:
    """A context manager: no container or network outlives it."""

    def __init__(self, folder: Path) -> None:
        name = f"doorito-test-{uuid.uuid4().hex[:8]}"
        self._folder = folder
        self.host, self.database, self.network = f"{name}-host", f"{name}-database", f"{name}-network"

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.callback(self._remove)
            self._build()
            self._start()
            stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    def install(self) -> list[str]:
        """Do what a new user does; what is said at the two steps."""
        first = self.run(readme("1. Install"))
        self.set_variables(
            DATABASE_URL="postgresql://doorito:doorito@database:5432/doorito",
            DJANGO_ALLOWED_HOSTS="example.org,localhost",
            PUBLIC_URL="https://example.org",
            WEB_WORKERS="1",
            CELERY_CONCURRENCY="2",
        )
        return [first, self.run(readme("1. Install", 1))]

    def run(self, commands: str, *, user: str = "root", status: int | None = 0) -> str:
        """Run commands of a shell in the checkout; what they say; fails on another status."""
        script = f"exec 2>&1; cd {CHECKOUT}; {commands}"
        done = docker("exec", "--user", user, self.host, "bash", "-euc", script, check=False)
        assert status is None or done.returncode == status, (
            f"status {done.returncode}: {done.stdout}{done.stderr}"
        )
        return done.stdout

    def holds(self, command: str) -> bool:
        """Whether a command ends with status 0."""
        return docker("exec", self.host, "bash", "-c", command, check=False).returncode == 0

    def unit(self, name: str) -> str:
        """A property of the unit, as `systemctl show` has it."""
        return self.run(f"systemctl show --property={name} --value doorito").strip()

    def page(self) -> str:
        """The log-in page, asked for as a proxy would."""
        headers = "-H 'Host: example.org' -H 'X-Forwarded-Proto: https'"
        return self.run(f"curl -sS --fail {headers} http://127.0.0.1:8000/accounts/log-in/")

    def set_variables(self, **texts: str) -> None:
        """Put values into the environment file, as an editor would."""
        names = "|".join(texts)
        lines = "\n".join(f"{name}={text}" for name, text in texts.items())
        self.run(
            f"sed -i -E '/^({names})=/d' /etc/doorito/environment; echo '{lines}' >>/etc/doorito/environment"
        )

    def copy_checkout(self, name: str) -> str:
        """Copy the checkout inside the host; its folder."""
        self.run(f"cp -r {CHECKOUT} /srv/{name}")
        return f"/srv/{name}"

    def put(self, source: Path, target: str) -> None:
        docker("cp", "--quiet", str(source), f"{self.host}:{target}")

    def _build(self) -> None:
        context = self._folder / "context"
        for name in INSTALLS:
            (context / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, context / name)
        shutil.copy2(Path(__file__).with_name("Dockerfile"), context)
        docker("build", "--quiet", "--tag", IMAGE, str(context))

    def _start(self) -> None:
        docker("network", "create", self.network)
        on_network = ("--detach", "--network", self.network)
        variables = [f"--env=POSTGRES_{name}=doorito" for name in ("USER", "PASSWORD", "DB")]
        alias = ("--network-alias", "database")
        docker("run", "--name", self.database, *on_network, *alias, *variables, POSTGRES)
        docker("run", "--name", self.host, *on_network, *SYSTEMD, IMAGE)
        self.put(copy_tree(self._folder / "checkout", with_environment=False), CHECKOUT)
        self.run(f"chown -R root:root {CHECKOUT}")
        wait_until("systemd", lambda: self.holds("systemctl is-system-running"), log=self._log)

    def _log(self) -> str:
        return docker("exec", self.host, "systemctl", "--no-pager", "--failed", check=False).stdout

    def _remove(self) -> None:
        docker("rm", "--force", "--volumes", self.host, self.database, check=False)
        docker("network", "rm", self.network, check=False)


@contextlib.contextmanager
def variables(machine: Machine, **texts: str) -> Iterator[None]:
    """The environment file with other values, for as long as the block runs."""
    machine.run("cp -p /etc/doorito/environment /root/environment")
    try:
        machine.set_variables(**texts)
        yield
    finally:
        machine.run("cp -p /root/environment /etc/doorito/environment")
