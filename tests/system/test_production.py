"""Production, as a container or a host runs it: checked settings, strict headers, hashed static files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.client import Client
from tests.system.copies import copy_tree
from tests.system.databases import database
from tests.system.jobs import do_main_job, visitor
from tests.system.stack import ROOT, Stack

pytestmark = pytest.mark.system

ENVIRON = {
    "DJANGO_CONFIGURATION": "Production",
    "DJANGO_SECRET_KEY": "k3y-of-tests-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEF",
    "DJANGO_ALLOWED_HOSTS": "localhost,127.0.0.1",
    "CELERY_TASK_ALWAYS_EAGER": "",
}


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Role `all` in Production on a PostgreSQL that is not its own, after collectstatic."""
    tree = copy_tree(tmp_path_factory.mktemp("production") / "tree")
    with (
        database(template="template1") as url,
        Stack(root=tree, embedded=False, environ={**ENVIRON, "DATABASE_URL": url}) as stack,
    ):
        done = stack.doorito("run", "manage", "collectstatic", "--noinput")
        assert done.returncode == 0, done.stderr
        yield stack.start()


def test_it_starts_with_one_named_warning(production: Stack) -> None:
    """Without an https PUBLIC_URL loopback hosts are served, and that is said once, by name."""
    warnings = [line for line in production.log.splitlines() if line.startswith("doorito ")]
    assert len([line for line in warnings if "PUBLIC_URL: is http://localhost" in line]) == 1
    assert "security.W" not in production.log
    assert set(production.status()) == {"web", "celery-worker", "celery-beat"}


def test_the_probes_answer(production: Stack) -> None:
    """/healthz and /readyz, also for a host that is not allowed: a probe comes by address."""
    assert production.get("/healthz") == (200, b"ok\n")
    assert production.get("/readyz") == (200, b'{"ready": true, "reasons": []}')


def test_pages_have_strict_headers_and_hashed_files(production: Stack) -> None:
    """No inline script or style is allowed, and what a page names may be cached for years."""
    client = Client(production.url)
    page = client.get("/accounts/log-in/")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    files = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
    assert files
    for path in files:
        assert re.search(r"\.[0-9a-f]{12}\.\w+$", path), path
        headers = client.get(path).headers
        assert headers["Cache-Control"] == "max-age=315360000, public, immutable"


def test_errors_tell_strangers_nothing(production: Stack) -> None:
    """A page that is not there is a plain 404, without debug information."""
    page = Client(production.url).get("/not/there")
    assert page.status == 404
    assert "URLconf" not in page.text


def test_the_main_job_works(production: Stack) -> None:
    """Log-in, upload, worker, result."""
    do_main_job(production, visitor(production))


def test_check_deploy_is_clean_with_https(production: Stack) -> None:
    """With an https PUBLIC_URL Django's deployment checks have nothing to say."""
    before = dict(production.environ)
    production.environ |= {"PUBLIC_URL": "https://example.org", "DJANGO_ALLOWED_HOSTS": "example.org"}
    done = production.doorito("run", "manage", "check", "--deploy", "--fail-level", "WARNING")
    production.environ = before
    assert done.returncode == 0, done.stderr


def _as_an_ordinary_user() -> list[str]:
    """A command that runs another as `nobody`. This Python may lie in root's home, so it may be read."""
    if os.getuid() != 0:
        return []
    options = "--reuid nobody --regid nogroup --clear-groups --inh-caps +dac_read_search"
    return ["setpriv", *options.split(), "--ambient-caps", "+dac_read_search", "--"]


def _copy_environment(target: Path) -> None:
    """This environment with a Python of its own: supervisord asks access(2), which heeds no capability."""
    shutil.copytree(ROOT / ".venv/bin", target / "bin")
    shutil.copy2(ROOT / ".venv/pyvenv.cfg", target)
    (target / "lib").symlink_to(ROOT / ".venv/lib")


@pytest.mark.skipif(os.getuid() == 0 and not shutil.which("setpriv"), reason="setpriv is not installed")
def test_an_ordinary_user_runs_everything_from_a_long_path_with_spaces() -> None:
    """PostgreSQL of one's own, the main job, a proper stop; from a path of more than 150 characters."""
    with Stack(become=_as_an_ordinary_user()) as stack:
        stack.root = copy_tree(
            stack.folder / "a checkout".ljust(120, "x") / "of mine", with_environment=False
        )
        _copy_environment(stack.root / ".venv")
        assert len(str(stack.root)) > 150
        stack.environ["HOME"] = str(stack.folder)
        if os.getuid() == 0:
            subprocess.run(["chown", "-R", "nobody:nogroup", stack.folder], check=True)
        stack.start()
        assert set(stack.status()) == {"postgres", "web", "celery-worker", "celery-beat"}
        assert (stack.state_dir / "postgres/data/PG_VERSION").exists()
        assert Path(f"/proc/{stack.pid}").stat().st_uid == stack.folder.stat().st_uid
        do_main_job(stack)
        assert stack.stop() == 0
        assert stack.processes() == []
