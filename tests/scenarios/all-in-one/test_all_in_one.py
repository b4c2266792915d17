"""One container that runs everything, started as the README says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.scenarios.engine import Container, Database
from tests.system.jobs import do_main_job
from tests.system.stack import wait_until

pytestmark = pytest.mark.scenario
PROGRAMS = {"web", "celery-worker", "celery-beat"}


@pytest.fixture(scope="module")
def container(image: str, db: Database) -> Iterator[Container]:
    """`docker run` with three variables and role `all`, nothing more."""
    with db.database() as url, db.container("all", DATABASE_URL=url) as started:
        yield started.wait_until_ready()


def test_three_variables_take_it_from_nothing_to_a_finished_upload(container: Container) -> None:
    """Migrated; the page works over http://localhost, and the worker examines what is sent to it."""
    container.create_superuser()
    do_main_job(container)


def test_supervisorctl_needs_no_option(container: Container) -> None:
    """`docker exec C supervisorctl status` shows the three programs, from any folder and with no home."""
    wait_until("RUNNING", lambda: container.execute("supervisorctl", "status").returncode == 0)
    for options in ([], ["--workdir", "/"], ["--env", "HOME=/nonexistent"]):
        done = container.execute("supervisorctl", "status", options=options)
        assert {line.split()[0] for line in done.stdout.splitlines()} == PROGRAMS
        assert done.stdout.count("RUNNING") == 3


def test_supervisord_is_the_first_process_and_reaps(container: Container) -> None:
    """An orphan that ends is nobody's zombie, and no shell stands between the engine and supervisord."""
    assert "boot.supervision.main" in container.execute("cat", "/proc/1/cmdline").stdout
    orphan = container.execute("sh", "-c", "sh -c 'sleep 0.1 & echo $!' > /tmp/orphan; cat /tmp/orphan")
    pid = orphan.stdout.strip()
    gone = ("sh", "-c", f"! test -e /proc/{pid}")
    wait_until("the orphan to be reaped", lambda: container.execute(*gone).returncode == 0)


def test_the_engine_finds_it_healthy(container: Container) -> None:
    """By its own HEALTHCHECK, which the image brings."""
    wait_until("healthy", lambda: container.health == "healthy")


def test_the_probe_names_whoever_does_not_work(container: Container) -> None:
    """A program that was stopped is not ready, though the container runs; the others are."""
    container.execute("supervisorctl", "stop", "celery-beat")
    try:
        done = container.execute("doorito", "health")
        assert done.returncode == 1
        assert "celery-beat: not ready: does not run, or has not reported yet" in done.stdout
        assert container.execute("doorito", "health", "web").returncode == 0
        as_json = json.loads(container.execute("doorito", "health", "--json").stdout)
        assert [name for name, fact in as_json["programs"].items() if not fact["ready"]] == ["celery-beat"]
    finally:
        container.execute("supervisorctl", "start", "celery-beat")
    container.wait_until_ready()


def test_the_log_says_no_secret_and_names_each_program(container: Container) -> None:
    """Each line begins with its program."""
    assert container.log.count("| ready: http://localhost:8000") == 1
    for line in container.log.splitlines():
        assert re.match(r"(doorito|prepare|supervisord|web|celery-worker|celery-beat) +\|", line), line
    assert "Traceback" not in container.log


def test_a_stop_ends_with_0(database_url: str, db: Database) -> None:
    """`docker stop` is TERM for supervisord, which stops all in order and is in time."""
    with db.container("all", DATABASE_URL=database_url) as started:
        assert started.wait_until_ready().stop() == 0
        stopped = re.findall(r"stopped: (\S+)", started.log)
        assert sorted(stopped) == ["celery-beat", "celery-worker", "web"]
