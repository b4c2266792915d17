"""A broker in a database of its own, and one that cannot be used: what a start makes of it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.servers import pgbouncer, postgres
from tests.system.databases import database
from tests.system.jobs import do_main_job
from tests.system.stack import ROOT, Stack

pytestmark = pytest.mark.system

COMMAND = "doorito broker migrate"


@pytest.fixture
def broker_url() -> Iterator[str]:
    """A database without any table, for the broker alone; its address without `sqla+`."""
    with database(template="template1") as address:
        yield address


def tables(address: str) -> set[str]:
    with psycopg.connect(address) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return {str(row[0]) for row in rows}


def test_the_command_makes_what_a_start_without_it_asks_for(database_url: str, broker_url: str) -> None:
    """78 naming the command; then the broker's tables are there, no others, and tasks go through them."""
    environ = {"DATABASE_URL": database_url, "CELERY_BROKER_URL": f"sqla+{broker_url}"}
    with Stack(environ=environ, embedded=False) as stack:
        assert stack.begin().wait() == 78
        assert f"CELERY_BROKER_URL: the database lacks the broker's tables; run `{COMMAND}`" in stack.log
        assert "Traceback" not in stack.log
        assert stack.doorito("broker", "migrate", "--check").returncode == 1
        assert tables(broker_url) == set()
        done = stack.doorito("broker", "migrate")
        assert done.returncode == 0, done.stderr
        made = tables(broker_url)
        assert "django_migrations" in made
        assert all(name.startswith("broker_") for name in made - {"django_migrations"})
        assert stack.doorito("broker", "migrate", "--check").returncode == 0
        stack.start()
        do_main_job(stack)
        read = "from apps.broker.models import Queue; print(*sorted(q.name for q in Queue.objects.all()))"
        assert {"default", "high"} <= set(stack.manage(read).split())
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM broker_queue").fetchone() == (0,)


def test_celerys_own_commands_send_a_task_and_read_its_result(database_url: str) -> None:
    """`celery call` and `celery result` know Django, in whose database results are."""
    with Stack("celery-worker", environ={"DATABASE_URL": database_url}, embedded=False) as stack:
        stack.start()
        sent = celery(stack, "call", "uploads.rescue")
        assert re.fullmatch(r"[0-9a-f-]{36}", sent)
        assert celery(stack, "result", sent) == "{'rescued': 0}"


def test_a_second_worker_of_the_same_name_ends_with_one_line(database_url: str) -> None:
    """It names the mend; the first works on."""
    with Stack("celery-worker", environ={"DATABASE_URL": database_url}, embedded=False) as stack:
        stack.start()
        command = [str(Path(sys.executable).with_name("celery")), "-A", "boot", "worker", "-P", "solo"]
        done = subprocess.run(
            command, env=stack.environ, cwd=stack.root, capture_output=True, text=True, check=False
        )
        assert done.returncode == 69
        assert "another worker is called celery@" in done.stderr
        assert "`-n NAME@%h`" in done.stderr
        assert "Traceback" not in done.stderr
        assert celery(stack, "result", celery(stack, "call", "uploads.rescue"))


def celery(stack: Stack, *arguments: str) -> str:
    """What `celery -A boot ARGUMENTS` prints."""
    command = [str(Path(sys.executable).with_name("celery")), "-A", "boot", *arguments]
    return subprocess.check_output(command, env=stack.environ, cwd=stack.root, text=True).strip()


def test_sqlite_works_with_a_broker_in_postgresql(broker_url: str) -> None:
    """The main job goes through the worker."""
    with Stack(environ={"CELERY_BROKER_URL": f"sqla+{broker_url}"}, embedded=False) as stack:
        stack.environ["DATABASE_URL"] = f"sqlite:///{stack.folder}/db.sqlite3"
        done = stack.doorito("broker", "migrate")
        assert done.returncode == 0, done.stderr
        stack.start()
        do_main_job(stack)


def test_in_the_same_database_the_command_has_nothing_to_do(database_url: str) -> None:
    """And says who makes the tables there."""
    with Stack(environ={"DATABASE_URL": database_url}, embedded=False) as stack:
        done = stack.doorito("broker", "migrate")
        assert (done.returncode, done.stderr) == (0, "")
        assert "`doorito run manage migrate` makes them as well" in done.stdout


def test_both_databases_are_waited_for_and_named() -> None:
    """Once for both, DATABASE_WAIT_S seconds."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = f"127.0.0.1:{nobody.getsockname()[1]}"
        environ = {
            "DATABASE_URL": f"postgresql://doorito@{away}/one",
            "CELERY_BROKER_URL": f"sqla+postgresql://doorito@{away}/two",
            "DATABASE_WAIT_S": "1",
        }
        with Stack("web", environ=environ, embedded=False) as stack:
            assert stack.begin().wait() == 69
            said = (
                r"gave up waiting for the databases after 1 s: DATABASE_URL: .*refused.*; CELERY_BROKER_URL: "
            )
            assert stack.says(said + ".*refused")


@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_a_worker_without_a_start_of_ours_ends_as_well(pool: str, empty_database_url: str) -> None:
    """Not for ever trying again: one line, status 78."""
    environ = {"PATH": os.environ["PATH"], "DATABASE_URL": empty_database_url}
    command = [sys.executable, "-m", "celery", "-A", "boot", "worker", "--concurrency", "1", "--pool", pool]
    done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 78, done.stderr
    assert len(re.findall("CRITICAL", done.stderr)) == 1
    assert COMMAND in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(
    not pgbouncer.is_installed() and "CI" not in os.environ, reason="needs PgBouncer: apt install pgbouncer"
)
def test_a_pooler_that_shares_connections_is_refused_to_workers() -> None:
    """78 with the reason, by the start and by the worker itself; a web server is told, and can send."""
    with postgres.serving() as server, pgbouncer.serving(server.url, "transaction") as url:
        environ = {"DATABASE_URL": server.url, "CELERY_BROKER_URL": f"sqla+{url}", "RUN_MIGRATIONS": "true"}
        with Stack("celery-worker", environ=environ, embedded=False) as stack:
            assert stack.begin().wait() == 78
            assert stack.says(r"CELERY_BROKER_URL: .* connection pooler that lends")
        with Stack("web", environ=environ, embedded=False) as stack:
            stack.start()
            assert stack.says(r"CELERY_BROKER_URL: tasks can be sent, but no worker can take them there")
            send = "from apps.ops.tasks import keep_house; print(keep_house.delay().id)"
            assert stack.manage(send)
        command = [sys.executable, "-m", "celery", "-A", "boot", "worker", "--concurrency", "1"]
        given = {"PATH": os.environ["PATH"], **environ}
        done = subprocess.run(command, env=given, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 78, done.stderr
        assert "connection pooler that lends" in done.stderr
        assert "Traceback" not in done.stderr
