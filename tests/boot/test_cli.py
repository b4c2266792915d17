"""The `doorito` command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from boot import cli
from boot.places import BASE_DIR

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["env", "nonsense"],
        ["broker"],
        ["broker", "migrate", "now"],
        ["run", "all", "extra"],
        ["run", "-x"],
        ["run", ""],
        ["run", "--reload", "dev"],
        ["queues", "nonsense"],
        ["queues", "requeue"],
        ["queues", "requeue", "1", "--all", "default"],
        ["queues", "discard", "0"],
        ["queues", "dead", "--limit", "9999999999999999999"],
    ],
)
def test_wrong_use_ends_with_64_and_says_how(arguments: list[str], capsys: Captured) -> None:
    """Usage on standard error or output, never a traceback."""
    try:
        status = cli.main(arguments)
    except SystemExit as end:  # argparse's way
        status = int(end.code or 0)
    assert status == 64
    said = capsys.readouterr()
    assert "usage: doorito" in said.out + said.err or "`doorito run --help`" in said.err


def test_run_help_names_roles_and_statuses(capsys: Captured) -> None:
    """The roles and what the exit status means."""
    assert cli.main(["run", "--help"]) == 0
    said = capsys.readouterr().out
    for word in ("all", "web", "celery-worker", "celery-beat", "dev", "manage", "64", "69", "70", "78"):
        assert word in said


@pytest.mark.parametrize("more", [[], ["dead"], ["requeue"], ["discard"]])
def test_queues_help_names_the_statuses(more: list[str], capsys: Captured) -> None:
    """Of the command and of what belongs to it."""
    with pytest.raises(SystemExit) as end:
        cli.main(["queues", *more, "--help"])
    assert end.value.code == 0
    assert "64 wrong usage" in capsys.readouterr().out


def test_a_secret_is_long_and_new_each_time(capsys: Captured) -> None:
    """Beyond the 50 characters that Django asks for."""
    cli.main(["secret"])
    cli.main(["secret"])
    first, second = capsys.readouterr().out.split()
    assert first != second
    assert len(first) >= 50


def test_env_json_is_json(capsys: Captured) -> None:
    """For machines: every variable is in it."""
    assert cli.main(["env", "--json"]) == 0
    assert "WEB_PORT" in json.dumps(json.loads(capsys.readouterr().out))


def test_env_explain_tells_about_one_variable(capsys: Captured) -> None:
    """An unknown name is a wrong use."""
    assert cli.main(["env", "explain", "WEB_PORT"]) == 0
    assert "WEB_PORT" in capsys.readouterr().out
    assert cli.main(["env", "explain", "NO_SUCH_NAME"]) == 64
    assert "NO_SUCH_NAME" in capsys.readouterr().err


def test_the_script_works_in_a_linked_environment(tmp_path: Path) -> None:
    """Where .venv is a link `doorito` starts itself over once, not for ever."""
    for name in ("doorito", "boot", ".venv"):
        (tmp_path / name).symlink_to(BASE_DIR / name)
    (tmp_path / "doorito").unlink()
    (tmp_path / "doorito").write_bytes((BASE_DIR / "doorito").read_bytes())
    done = subprocess.run(
        [sys.executable, "-S", tmp_path / "doorito", "secret"], capture_output=True, check=True, timeout=30
    )
    assert len(done.stdout) > 50
