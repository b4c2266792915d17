"""Development under Compose: `make docker-up` in a clone that somebody edits."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.ports import free_port
from tests.scenarios.engine import run
from tests.system.client import Client
from tests.system.copies import copy_tree
from tests.system.jobs import do_main_job
from tests.system.stack import wait_until

pytestmark = [pytest.mark.scenario, pytest.mark.usefixtures("image")]
DEVELOPER = 12345  # a user who is neither root nor the image's own


class Checkout:
    """A clone of somebody's who types make; the log-in is in the .env that make wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = copy_tree(folder, with_environment=False)
        self.port = free_port()
        self.owner = DEVELOPER if os.getuid() == 0 else os.getuid()
        self.environ = {
            "COMPOSE_PROJECT_NAME": f"doorito-test-{uuid.uuid4().hex[:8]}",
            "WEB_PORT": str(self.port),
            "POSTGRES_PORT": str(free_port()),
        }
        if os.getuid() == 0:  # as it would be without these, were the tests not root's
            self.environ |= {"DEV_UID": str(DEVELOPER), "DEV_GID": str(DEVELOPER)}
            run("chown", "-R", f"{DEVELOPER}:{DEVELOPER}", str(folder))

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def email(self) -> str:
        return self._written("DJANGO_SUPERUSER_EMAIL")

    @property
    def password(self) -> str:
        return self._written("DJANGO_SUPERUSER_PASSWORD")

    @property
    def log(self) -> str:
        return self.compose("logs", "--no-color").stdout

    def _written(self, name: str) -> str:
        match = re.search(rf"^{name}=(.+)$", (self.folder / ".env").read_text(), re.MULTILINE)
        assert match
        return match[1]

    def make(self, target: str) -> CompletedProcess[str]:
        return run("make", target, cwd=self.folder, environ=self.environ)

    def compose(self, *arguments: str) -> CompletedProcess[str]:
        files = ("-f", "docker-compose.yml", "-f", "docker-compose.dev.yml")
        return run("docker", "compose", *files, *arguments, cwd=self.folder, environ=self.environ)

    def services(self) -> list[str]:
        return sorted(self.compose("ps", "--services").stdout.split())


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """`make docker-up`, and nothing else, in a fresh clone."""
    checkout = Checkout(tmp_path_factory.mktemp("dev") / "clone")
    try:
        done = checkout.make("docker-up")
        assert done.returncode == 0, done.stdout + done.stderr + checkout.log
        assert f"doorito: http://localhost:{checkout.port}, first log-in" in done.stderr
        yield checkout
    finally:
        checkout.compose("--profile", "celery", "down", "--volumes", "--timeout", "60")


def test_it_is_djangos_server_and_the_database(checkout: Checkout) -> None:
    """Worker and beat are not started: tasks run at once."""
    assert checkout.services() == ["db", "web"]
    assert "Starting development server" in checkout.log


def test_the_main_job_works(checkout: Checkout) -> None:
    """Eagerly, with the log-in that make wrote into .env."""
    do_main_job(checkout)


def test_an_edit_shows_without_a_restart(checkout: Checkout) -> None:
    """A template at the next request, Python as soon as the server has reloaded."""
    template = checkout.folder / "templates/base.html"
    template.write_text(template.read_text().replace("</body>", "<i>edited template</i></body>"))
    wait_until("the template", lambda: "edited template" in _front_page(checkout), lambda: checkout.log)
    urls = checkout.folder / "boot/urls.py"
    edited = 'urlpatterns += [path("edited/", lambda request: HttpResponse("edited code"))]'
    urls.write_text(f"{urls.read_text()}\nfrom django.http import HttpResponse\n{edited}\n")
    wait_until("the code", lambda: _get(checkout, "/edited/") == "edited code", lambda: checkout.log)


def test_files_belong_to_whoever_owns_the_source(checkout: Checkout) -> None:
    """What is made in the container is the developer's; and nothing else was left in the clone."""
    options = ("exec", "--no-TTY", "web", "doorito", "run", "manage")
    done = checkout.compose(*options, "makemigrations", "--empty", "uploads", "--name", "made_in_a_container")
    assert done.returncode == 0, done.stderr
    (made,) = (checkout.folder / "apps/uploads/migrations").glob("*made_in_a_container.py")
    assert made.stat().st_uid == checkout.owner
    made.unlink()
    allowed = {os.getuid(), checkout.owner}
    assert {path.stat().st_uid for path in checkout.folder.rglob("*")} <= allowed
    assert not list(checkout.folder.rglob("__pycache__"))


def test_worker_and_beat_are_there_for_the_asking(checkout: Checkout) -> None:
    """In the profile `celery`, reading the same source."""
    done = checkout.compose("--profile", "celery", "up", "--detach", "--wait")
    assert done.returncode == 0, done.stderr + checkout.log
    assert checkout.services() == ["celery-beat", "celery-worker", "db", "web"]


def test_docker_down_ends_it_and_keeps_the_data(checkout: Checkout) -> None:
    """Whatever profile runs; the next `make docker-up` finds the uploads again."""
    name = do_main_job(checkout)
    assert checkout.make("docker-down").returncode == 0
    assert checkout.services() == []
    done = checkout.make("docker-up")
    assert done.returncode == 0, done.stderr + checkout.log
    client = Client(checkout.url)
    client.log_in(checkout.email, checkout.password)
    assert client.row(name)


def _get(checkout: Checkout, path: str) -> str:
    try:
        return Client(checkout.url).get(path).text
    except OSError:  # it is reloading
        return ""


def _front_page(checkout: Checkout) -> str:
    return _get(checkout, "/accounts/log-in/")
