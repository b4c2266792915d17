"""The dispatch table in a container: each role by argument or by variable, and each way to be wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.scenarios.engine import KEY, PASSWORD, Container, Database, docker, run
from tests.system.stack import wait_until
from tests.system.test_environment import NASTY

pytestmark = [pytest.mark.scenario, pytest.mark.usefixtures("image")]
NEEDED = ["--env", f"DJANGO_SECRET_KEY={KEY}", "--env", "DJANGO_ALLOWED_HOSTS=localhost"]


@pytest.mark.parametrize(
    ("command", "environ", "program"),
    [
        ([], {}, "web"),
        (["web"], {}, "web"),
        (["celery-worker"], {}, "celery-worker"),
        ([], {"DOORITO_ROLE": "celery-worker"}, "celery-worker"),
        (["web"], {"DOORITO_ROLE": "celery-beat"}, "celery-beat"),
    ],
)
def test_a_role_is_its_program_alone_and_is_found_healthy(
    command: list[str], environ: dict[str, str], program: str, db: Database, database_url: str
) -> None:
    """By argument, by DOORITO_ROLE, or by default; the probe knows which it is."""
    with db.container(*command, DATABASE_URL=database_url, **environ) as container:
        container.wait_until_ready()
        assert container.execute("doorito", "health").stdout == f"{program}: ready\n"
        status = container.execute("supervisorctl", "status").stdout
        assert [line.split()[0] for line in status.splitlines()] == [program]


def test_a_role_beside_another_one_is_refused() -> None:
    """The command says one, the variable another: both are named, and the status is 78."""
    done = run("docker", "run", "--rm", *NEEDED, "--env", "DOORITO_ROLE=web", "doorito", "celery-beat")
    assert done.returncode == 78
    assert done.stderr.startswith("doorito: DOORITO_ROLE: is web, but the command says celery-beat")


def test_commands_run_beside_whatever_role_the_variable_says(db: Database, database_url: str) -> None:
    """`manage`, `doorito` and any program, also where the environment is broken."""
    options = [*NEEDED, "--network", db.network, "--env", "DOORITO_ROLE=celery-beat"]
    options += ["--env", f"DATABASE_URL={database_url}"]
    assert "no issues" in docker("run", "--rm", *options, "doorito", "manage", "check")
    assert json.loads(docker("run", "--rm", *options, "doorito", "doorito", "env", "--json"))
    broken = ["--env", "WEB_PORT=eighty"]
    done = run("docker", "run", "--rm", *options, *broken, "doorito", "sh", "-c", "echo looked; exit 7")
    assert (done.returncode, done.stdout) == (7, "looked\n")


def _refusal(command: Sequence[str], options: Sequence[str], status: int) -> str:
    """What a start says that ends with `status`: no traceback, no secret."""
    with Container(*command, options=options) as container:
        assert container.wait() == status, container.log
        said = container.log
    assert "Traceback" not in said
    assert PASSWORD not in said
    assert KEY not in said
    return said


def test_an_unknown_role_is_answered_with_the_known_ones() -> None:
    """And with the one that was meant, perhaps."""
    said = _refusal(["celery-wroker"], NEEDED, 64)
    assert "celery-wroker is no role, and no program that can be run" in said
    assert "did you mean celery-worker?" in said


def test_missing_variables_are_named_all_at_once() -> None:
    """What Production requires, SQLite's default among it."""
    said = _refusal(["all"], [], 78)
    for name in ("DJANGO_SECRET_KEY", "DJANGO_ALLOWED_HOSTS", "DATABASE_URL"):
        assert re.search(rf"^doorito: {name}: ", said, re.MULTILINE)


def test_sqlite_is_refused_in_production() -> None:
    """The image is Production unless told otherwise."""
    said = _refusal(["web"], [*NEEDED, "--env", "DATABASE_URL=sqlite:///db.sqlite3"], 78)
    assert "DATABASE_URL: is SQLite in Production; set postgresql://" in said


def test_a_database_that_stays_away_is_given_up_after_its_wait() -> None:
    """Status 69, with how long was waited and why."""
    away = ["--env", "DATABASE_URL=postgresql://u@127.0.0.1:9/d", "--env", "DATABASE_WAIT_S=1"]
    said = _refusal(["celery-worker"], [*NEEDED, *away], 69)
    assert "gave up waiting for the database after 1 s" in said


@pytest.mark.parametrize(
    ("wrong", "mend"),
    [
        ((PASSWORD, "wrong"), "the right password there or in DATABASE_PASSWORD"),
        (("doorito:", "nobody:"), "set the right user in DATABASE_URL"),
        (("/test_", "/no_such_"), "create it on the server, or name another in DATABASE_URL"),
    ],
)
def test_a_database_that_refuses_the_log_in_is_wrong_configuration(
    wrong: tuple[str, str], mend: str, db: Database, database_url: str
) -> None:
    """Waiting would not help: status 78 at once, and what to correct."""
    options = [*NEEDED, "--network", db.network, "--env", f"DATABASE_URL={database_url.replace(*wrong)}"]
    said = _refusal(["web"], options, 78)
    assert "the database refuses us: " in said
    assert mend in said
    assert "waiting for the database" not in said


def test_a_read_only_folder_for_uploads_is_named(db: Database, database_url: str, tmp_path: Path) -> None:
    """Before anything starts, with the variable that names another."""
    options = [*NEEDED, "--network", db.network, "--env", f"DATABASE_URL={database_url}"]
    said = _refusal(["all"], [*options, "--volume", f"{tmp_path}:/data:ro"], 78)
    assert re.search(r"MEDIA_ROOT: /data/media cannot be written \(.*\); mount a folder", said)


def test_a_taken_port_is_named(db: Database, database_url: str) -> None:
    """Two containers that share a network: the second says which port, and which variable chooses another."""
    with db.container("web", DATABASE_URL=database_url) as first:
        first.wait_until_ready()
        shared = [*NEEDED, "--network", f"container:{first.name}", "--env", f"DATABASE_URL={database_url}"]
        said = _refusal(["web"], shared, 69)
        assert "port 8000 is taken" in said
        assert "WEB_PORT=8001" in said


def test_a_container_that_is_restarted_takes_its_folder_over(db: Database, database_url: str) -> None:
    """What a killed one left in the runtime folder is in nobody's way."""
    with db.container("web", DATABASE_URL=database_url) as container:
        container.wait_until_ready()
        docker("kill", container.name)
        wait_until("its end", lambda: not container.is_running())
        docker("start", container.name)
        container.wait_until_ready()


def test_dev_in_the_image_is_probed_too(db: Database, database_url: str) -> None:
    """Django's own server, whose static files are collected into the runtime folder."""
    environ = {"DJANGO_CONFIGURATION": "Dev", "DATABASE_URL": database_url}
    with db.container("dev", **environ) as container:
        container.wait_until_ready()
        assert container.execute("doorito", "health").stdout == "web: ready\n"


def test_a_one_off_command_has_no_health() -> None:
    """Nothing is supervised there; the probe says so."""
    with Container("sleep", "60") as container:
        done = container.execute("doorito", "health")
        assert done.returncode == 1
        assert done.stdout.startswith("start: not ready: nothing has started yet in /run/doorito")


def test_a_read_only_root_without_tmp_is_told_what_it_lacks(db: Database, database_url: str) -> None:
    """Before anything starts, and not by a traceback."""
    options = [*NEEDED, "--network", db.network, "--env", f"DATABASE_URL={database_url}"]
    said = _refusal(["web"], [*options, "--read-only", "--tmpfs", "/run"], 78)
    assert "--tmpfs /tmp" in said


def test_reloading_is_not_for_the_image() -> None:
    """It has no watcher: the option is refused, with what to do instead."""
    said = _refusal(["--reload", "all"], [*NEEDED, "--env", "DATABASE_URL=postgresql://u@127.0.0.1:9/d"], 78)
    assert "role dev" in said


def test_an_env_file_of_docker_run_carries_everything_but_line_ends(tmp_path: Path) -> None:
    """It knows no quotes: a value is what follows the first `=`, up to the end of the line."""
    given = {f"NASTY_{number:02}": text for number, text in enumerate(NASTY) if "\n" not in text}
    assert len(given) > 40
    file = tmp_path / "variables"
    lines = "".join(f"{name}={text}\n" for name, text in {**given, "CUT": "two\nlines"}.items())
    file.write_text(lines, newline="")
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    options = ("--env-file", str(file), "--env", "WEB_PORT=eighty")
    arrived = json.loads(docker("run", "--rm", *options, "doorito", "python", "-c", code))
    assert {name: arrived[name] for name in given} == given
    assert arrived["CUT"] == "two"
