"""As little freedom as an engine can leave a container, and all of it works."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scenarios.engine import Container, Database, inspect
from tests.system.jobs import do_main_job
from tests.system.stack import wait_until

pytestmark = pytest.mark.scenario
OPTIONS = [
    "--read-only", "--tmpfs", "/tmp", "--tmpfs", "/run", "--cap-drop", "ALL",
    "--security-opt", "no-new-privileges", "--user", "54321:54321", "--memory", "512m",
]  # fmt: skip


@pytest.fixture(scope="module")
def container(image: str, db: Database) -> Iterator[Container]:
    """Role `all` with the default numbers, by a user whom nobody knows."""
    with (
        db.database() as url,
        db.container("all", options=OPTIONS, DATABASE_URL=url) as started,
    ):
        yield started.wait_until_ready()


def test_the_main_job_works(container: Container) -> None:
    """Log-in, upload, worker, result: read-only, without capabilities, as a user without a name."""
    container.create_superuser()
    do_main_job(container)
    assert container.execute("id", "-u").stdout == "54321\n"


def test_status_and_probe_work(container: Container) -> None:
    """For that user too, and the engine finds it healthy."""
    wait_until("RUNNING", lambda: container.execute("supervisorctl", "status").returncode == 0)
    wait_until("healthy", lambda: container.health == "healthy")


def test_nothing_is_written_but_what_the_readme_lists(container: Container) -> None:
    """The runtime folder in /run, what passes through /tmp, and /data."""
    assert container.execute("touch", "/app/x").returncode != 0
    found = container.execute(
        "find", "/", "-xdev", "-writable", "!", "-type", "l", "-not", "-path", "/proc/*"
    )
    assert sorted(found.stdout.split()) == ["/data", "/run", "/tmp"]
    assert container.execute("ls", "/data").stdout.split() == ["media"]
    assert container.execute("ls", "/run").stdout.split() == ["doorito"]


def test_it_stays_within_its_memory_and_stops_in_time(container: Container) -> None:
    """512 MB are enough for the default numbers of processes; TERM ends it with 0."""
    assert not inspect(".State.OOMKilled", container.name)
    assert "SIGKILL" not in container.log
    assert container.stop() == 0
