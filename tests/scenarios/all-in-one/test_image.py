"""What the image is, before anything runs in it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from boot import env
from tests.scenarios.engine import docker, inspect, run
from tests.system.copies import copy_tree

pytestmark = [pytest.mark.scenario, pytest.mark.usefixtures("image")]


def inside(script: str) -> str:
    """What a shell script prints in a container of the image, as the image's own user."""
    return docker("run", "--rm", "doorito", "sh", "-c", script)


def test_it_says_how_it_is_run() -> None:
    """Entrypoint, default role, user by number, signal, port, probe, labels."""
    config = inspect(".Config", "doorito")
    assert (config["Entrypoint"], config["Cmd"]) == (["doorito", "run"], ["web"])
    assert config["User"] == "1001:1001"
    assert config["StopSignal"] == "SIGTERM"
    assert list(config["ExposedPorts"]) == ["8000/tcp"]
    assert config["Healthcheck"]["Test"] == ["CMD", "doorito", "health"]
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in config["Labels"].items()}
    assert labels["title"] == "Doorito"
    assert labels["licenses"] == "MIT"
    assert re.fullmatch(r"[0-9a-f]{40}|unknown", labels["revision"])
    assert "DJANGO_CONFIGURATION=Production" in config["Env"]


def test_it_runs_as_an_ordinary_user_who_owns_none_of_the_code() -> None:
    """`django`, 1001; nothing that is run can be changed from within."""
    assert inside("id") == "uid=1001(django) gid=1001(django) groups=1001(django)"
    assert inside("find /app /usr/local /opt -xdev -writable ! -type l | head") == ""
    assert inside("find /app ! -user root | head") == ""


def test_it_holds_no_tool_that_a_build_needs() -> None:
    """Neither compiler nor uv nor the compiler of the CSS; git's folder, tests and settings stayed out."""
    for tool in ("gcc", "cc", "uv", "tailwindcss", "git", "ruff", "pytest", "watchfiles"):
        assert inside(f"command -v {tool} || echo none") == "none"
    assert inside("ls -A /app | sort | tr '\\n' ' '").split() == [
        ".venv", "LICENSE", "apps", "boot", "doorito", "manage.py",
        "static", "staticfiles", "supervisor", "templates",
    ]  # fmt: skip


def test_everything_is_compiled() -> None:
    """A read-only root could not be compiled into; each source of ours has its byte-code beside it."""
    missing = "for f in $(find /app/boot /app/apps -name '*.py' -size +0); do "
    missing += "c=$(dirname $f)/__pycache__/$(basename $f .py).cpython-312.pyc; test -e $c || echo $f; done"
    assert inside(missing) == ""
    assert int(inside("find /app/.venv -name '*.pyc' | wc -l")) > 2000


def test_no_layer_holds_a_secret() -> None:
    """Neither the environment nor the history sets one of the registry's secrets."""
    said = json.dumps(inspect(".Config.Env", "doorito")) + docker("history", "--no-trunc", "doorito")
    for variable in env.REGISTRY:
        if variable.secret:
            assert variable.name not in said


def test_the_command_works_by_its_path_as_well() -> None:
    """`python /app/doorito ...`, as in the seed, and `doorito` from any folder."""
    dev = ("--env", "DJANGO_CONFIGURATION=Dev")
    by_path = docker("run", "--rm", *dev, "doorito", "python", "/app/doorito", "env", "--json")
    by_name = docker("run", "--rm", *dev, "--workdir", "/", "doorito", "sh", "-c", "doorito env --json")
    names = [variable["name"] for variable in json.loads(by_path)]
    assert names == [variable["name"] for variable in json.loads(by_name)] == list(env.VARIABLES)


@pytest.mark.parametrize("program", ["pg_dump", "pg_restore"])
def test_postgresqls_client_programs_are_there(program: str) -> None:
    """Of 16 and of 18, so that none is older than its server."""
    for version in ("16", "18"):
        said = inside(f"/usr/lib/postgresql/{version}/bin/{program} --version")
        assert said.startswith(f"{program} (PostgreSQL) {version}."), said


def test_stale_css_ends_the_build(tmp_path: Path) -> None:
    """The committed file must be what the sources say; the message names the mend."""
    tree = copy_tree(tmp_path / "tree", with_environment=False)
    with (tree / "assets/css/main.css").open("a") as source:
        source.write("\n.never-seen-before { color: red; }\n")
    done = run("docker", "build", "--progress", "plain", "--target", "css", ".", cwd=tree)
    assert done.returncode != 0
    assert "static/css/main.css is stale; run `make css` and commit it" in done.stderr + done.stdout
