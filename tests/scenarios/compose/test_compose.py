"""Production under Compose, from a fresh clone, as the README says."""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Final

import pytest

from tests.ports import free_port
from tests.scenarios.engine import run
from tests.system.copies import copy_tree
from tests.system.jobs import do_main_job, visitor
from tests.system.stack import ROOT, wait_until
from tests.system.test_environment import NASTY

pytestmark = [pytest.mark.scenario, pytest.mark.usefixtures("image")]
# Compose keeps what .env says; a NUL or a byte that is not UTF-8 no .env can hold.
DATABASE_PASSWORD: Final = "p%40ss #1'\"/\\${HOME}:?&=@%(ENV_X)s ü"
SECRET_KEY: Final = "k%(ENV_HOME)s#'\"$HOME${HOME}\\n\\ ü;`id`" * 3
SENDER: Final = '"Dörte %s #1; $HOME" <o\'door@example.org>'


class Project:
    """A clone, and the stack that Compose makes of it."""

    email = "admin@example.com"
    password = "correct horse battery staple"

    def __init__(self, folder: Path) -> None:
        self.folder = copy_tree(folder, with_environment=False)
        self.files: list[str] = []
        self.port = free_port()
        # Of this test's own, so that it meets no other stack; what the shell has must not leak in.
        self.environ = {"COMPOSE_PROJECT_NAME": f"doorito-test-{uuid.uuid4().hex[:8]}"}

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def log(self) -> str:
        return self.compose("logs", "--no-color").stdout

    def compose(self, *arguments: str) -> CompletedProcess[str]:
        return run("docker", "compose", *self.files, *arguments, cwd=self.folder, environ=self.environ)

    def up(self, *options: str) -> None:
        """Start it and wait until the engine finds every container healthy."""
        done = self.compose("up", "--build", "--detach", "--wait", *options)
        assert done.returncode == 0, f"{done.stderr}\n{self.log}"

    def down(self) -> None:
        self.compose("down", "--volumes", "--timeout", "60")

    def containers(self) -> list[tuple[str, str]]:
        """Service and health of each container that runs."""
        rows = map(json.loads, self.compose("ps", "--format", "json").stdout.splitlines())
        return sorted((row["Service"], row["Health"]) for row in rows)

    def python(self, service: str, code: str) -> str:
        """What Python code prints in a container of a service."""
        done = self.compose("exec", "--no-TTY", service, "python", "-c", code)
        assert done.returncode == 0, done.stderr
        return done.stdout


def quoted(text: str) -> str:
    """The text as a value of .env: in double quotes, with what is special there escaped."""
    return '"' + re.sub(r'[\\"$]', r"\\\g<0>", text).replace("\n", "\\n") + '"'


def fill_in(project: Project, **more: str) -> None:
    """What the README asks for: a copy of .env.example with the marked lines filled in; and `more`."""
    marked = {
        "DJANGO_SECRET_KEY": SECRET_KEY,
        "DJANGO_ALLOWED_HOSTS": "localhost",
        "DATABASE_PASSWORD": DATABASE_PASSWORD,
    }
    example = (project.folder / ".env.example").read_text()
    assert sorted(re.findall(r"^(\w+)=$", example, re.MULTILINE)) == sorted(marked)
    assert example.count("REQUIRED by docker compose") == len(marked)
    for name, text in marked.items():
        example = example.replace(f"\n{name}=\n", f"\n{name}={quoted(text)}\n")
    lines = "".join(f"{name}={quoted(text)}\n" for name, text in more.items())
    (project.folder / ".env").write_text(example + lines, newline="")


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Project]:
    """A clone where nothing was started."""
    project = Project(tmp_path / "clone")
    try:
        yield project
    finally:
        project.down()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A clone that runs, with a nasty password, a nasty key and some nasty variables."""
    project = Project(tmp_path_factory.mktemp("compose") / "clone")
    fill_in(
        project,
        WEB_PORT=str(project.port),
        DEFAULT_FROM_EMAIL=SENDER,
        DJANGO_SUPERUSER_EMAIL=project.email,
        DJANGO_SUPERUSER_PASSWORD=project.password,
        **{f"NASTY_{number:02}": text for number, text in enumerate(NASTY)},
    )
    try:
        project.up()
        yield project
    finally:
        project.down()


def test_it_says_what_is_missing(clone: Project) -> None:
    """Without .env, and with one that is not filled in: the variable and the mend, and nothing starts."""
    for _ in range(2):
        done = clone.compose("up", "--build", "--detach")
        assert done.returncode != 0
        assert re.search(
            r"required variable (DJANGO_|DATABASE_)\w+ is missing a value: set it in \.env", done.stderr
        )
        assert clone.containers() == []
        shutil.copy(clone.folder / ".env.example", clone.folder / ".env")


def test_each_role_has_its_container_and_all_are_healthy(project: Project) -> None:
    """And supervisorctl in each, with no option, shows its one program."""
    roles = ["celery-beat", "celery-worker", "web"]
    assert project.containers() == [
        (name, "healthy") for name in ("celery-beat", "celery-worker", "db", "web")
    ]
    for role in roles:
        status = project.compose("exec", "--no-TTY", role, "supervisorctl", "status").stdout
        assert [line.split()[0] for line in status.splitlines()] == [role]


def test_the_main_job_works_across_containers(project: Project) -> None:
    """web stores the file, the worker reads it from the same volume."""
    do_main_job(project)


def test_only_web_migrates(project: Project) -> None:
    """The others wait for it."""
    logs = {role: project.compose("logs", role).stdout for role in ("web", "celery-worker", "celery-beat")}
    assert [role for role, log in logs.items() if "Applying accounts.0001_initial" in log] == ["web"]


def test_nasty_values_reach_the_programs(project: Project) -> None:
    """Each of them, as gunicorn's master and Celery's worker have them in their environment."""
    code = (
        "import json, pathlib\n"
        "lines = pathlib.Path('/proc').glob('[0-9]*/cmdline')\n"
        "pid = next(line.parent for line in lines if b'{}' in line.read_bytes())\n"
        "pairs = (pid / 'environ').read_bytes().decode().split(chr(0))\n"
        "print(json.dumps(dict(pair.split('=', 1) for pair in pairs if '=' in pair)))"
    )
    for service, command in (("web", "gunicorn"), ("celery-worker", "boot.celery_program\\0worker")):
        arrived = json.loads(project.python(service, code.format(command)))
        for number, text in enumerate(NASTY):
            assert arrived[f"NASTY_{number:02}"] == text


def test_nasty_settings_reach_django(project: Project) -> None:
    """The password opens the database, and the others are what .env says."""
    code = (
        "import json; from django.conf import settings as s; from django.db import connection as c; "
        "c.ensure_connection(); password = c.settings_dict['PASSWORD']; "
        "print(json.dumps([s.SECRET_KEY, s.DEFAULT_FROM_EMAIL, password]))"
    )
    command = ("exec", "--no-TTY", "web", "doorito", "run", "manage", "shell", "--no-imports", "-c", code)
    assert json.loads(project.compose(*command).stdout) == [SECRET_KEY, SENDER, DATABASE_PASSWORD]


def test_secrets_are_in_no_log_and_the_database_is_not_published(project: Project) -> None:
    """Only web's port is, to this machine alone."""
    assert DATABASE_PASSWORD not in project.log
    assert SECRET_KEY not in project.log
    rows = map(json.loads, project.compose("ps", "--format", "json").stdout.splitlines())
    published = {
        (row["Service"], port["URL"], port["PublishedPort"])
        for row in rows
        for port in row["Publishers"]
        if port["PublishedPort"]
    }
    assert published == {("web", "127.0.0.1", project.port)}


def test_the_engine_gives_a_stop_its_budget(project: Project) -> None:
    """stop_grace_period is STOP_BUDGET_S, whatever that is, and ten seconds more."""
    config = json.loads(project.compose("config", "--format", "json").stdout)
    for role in ("web", "celery-worker", "celery-beat"):
        assert config["services"][role]["stop_grace_period"] == "2m10s"
    longer = run("docker", "compose", "config", "--format", "json", cwd=project.folder,
                 environ=project.environ | {"STOP_BUDGET_S": "300"})  # fmt: skip
    assert json.loads(longer.stdout)["services"]["web"]["stop_grace_period"] == "5m10s"


def test_three_workers_share_the_work(project: Project) -> None:
    """`docker compose up --scale celery-worker=3`: each has a name of its own; the main job works."""
    project.up("--scale", "celery-worker=3")
    assert project.containers().count(("celery-worker", "healthy")) == 3
    do_main_job(project)
    names = set(re.findall(r"celery@([0-9a-f]{12}) ready", project.log))
    assert len(names) >= 3


def test_all_programs_in_one_container_beside_the_database(clone: Project) -> None:
    """The second file: web runs role `all`; worker and beat have no container, nor keep the one they had."""
    fill_in(clone, WEB_PORT=str(clone.port), STOP_BUDGET_S="60",
            DJANGO_SUPERUSER_EMAIL=clone.email, DJANGO_SUPERUSER_PASSWORD=clone.password)  # fmt: skip
    clone.up()
    assert len(clone.containers()) == 4
    clone.files = ["-f", "docker-compose.yml", "-f", "docker-compose.all.yml"]
    clone.up()
    assert clone.containers() == [("db", "healthy"), ("web", "healthy")]
    status = clone.compose("exec", "--no-TTY", "web", "supervisorctl", "status").stdout
    assert len(status.splitlines()) == 3
    do_main_job(clone)
    assert clone.compose("stop").returncode == 0
    wait_until("the end", lambda: not clone.containers())
    assert re.search(r"stopped: web", clone.log)


def test_a_random_password_is_as_good(clone: Project) -> None:
    """`make docker-up` writes such a .env, and never touches one that is there."""
    done = run("make", ".env", cwd=clone.folder)
    assert done.returncode == 0, done.stderr
    written = (clone.folder / ".env").read_text()
    assert (clone.folder / ".env").stat().st_mode & 0o777 == 0o600
    key = re.search(r"^DJANGO_SECRET_KEY=(\S{64})$", written, re.MULTILINE)
    password = re.search(r"^DATABASE_PASSWORD=(\S{64})$", written, re.MULTILINE)
    assert key
    assert password
    assert key[1] != password[1]
    assert clone.compose("config", "--quiet").returncode == 0
    run("make", ".env", cwd=clone.folder)
    assert (clone.folder / ".env").read_text() == written


def commands(heading: str, number: int) -> list[str]:
    """The lines of a block of commands in docs/backup.md."""
    section = (ROOT / "docs/backup.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    blocks: list[str] = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return blocks[number].splitlines()


def test_a_backup_goes_into_new_volumes(project: Project) -> None:
    """The lines of docs/backup.md: made while all runs, restored after all volumes were lost."""
    kept = do_main_job(project)
    for line in commands("In containers", 0):
        done = run("sh", "-c", line, cwd=project.folder, environ=project.environ)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    assert (project.folder / "monday.tar").stat().st_size > 10_000
    lost = do_main_job(project)
    project.down()
    for line in commands("In containers", 1):
        done = run("sh", "-c", line, cwd=project.folder, environ=project.environ)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    client = visitor(project)
    assert client.row(kept)
    assert client.row(lost) is None
    do_main_job(project, client)
