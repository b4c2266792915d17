"""`python -m boot.celery_program`: Celery's own worker and beat, and nothing beside them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from boot.celery_program import PROGRAMS
from tests.system.stack import ROOT

# Celery's whole command line, and what its `amqp` brings.
OTHERS = {"celery.bin.celery", "celery.bin.amqp", "click_repl", "prompt_toolkit"}


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command, env = [sys.executable, *arguments], {**os.environ, **environ}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_takes_celerys_options(name: str) -> None:
    """Those of `celery worker` and `celery beat`, word for word."""
    ours = run("-m", "boot.celery_program", name, "--help")
    theirs = run("-m", "celery", "-A", "boot", name, "--help")
    assert ours.returncode == 0, ours.stderr
    assert ours.stdout.partition("\n\n")[2] == theirs.stdout.partition("\n\n")[2] != ""


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_loads_none_of_celerys_other_commands(name: str) -> None:
    """They would cost every start some tenths of a second and every process 18 MB."""
    code = f"""
import sys
from boot.celery_program import main
try:
    main({name!r}, ["--help"])
finally:
    print(sorted({OTHERS!r} & set(sys.modules)), file=sys.stderr)
"""
    assert run("-c", code).stderr.splitlines()[-1] == "[]"


def test_an_option_that_celery_has_not_is_refused() -> None:
    """Status 2 and one message, as by Celery."""
    done = run("-m", "boot.celery_program", "worker", "--concurency=4")
    assert done.returncode == 2
    assert "No such option '--concurency'. Did you mean '--concurrency'?" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "variable", "option"),
    [
        ("worker", "CELERY_WORKER_CONCURRENCY", "--concurrency"),
        ("beat", "CELERY_BEAT_MAX_INTERVAL", "--max-interval"),
    ],
)
def test_an_option_has_its_variable(name: str, variable: str, option: str) -> None:
    """Under the name that Celery gives it."""
    done = run("-m", "boot.celery_program", name, **{variable: "many"})
    assert done.returncode == 2
    assert option in done.stderr


@pytest.mark.parametrize("arguments", [[], ["flower"], ["--help"]])
def test_there_are_two_programs(arguments: list[str]) -> None:
    """Anything else is answered with how to call it."""
    done = run("-m", "boot.celery_program", *arguments)
    assert done.returncode == 64
    assert done.stderr == "usage: python -m boot.celery_program worker|beat OPTIONS\n"


def test_gevent_replaces_what_others_import() -> None:
    """Before anything else is loaded, as in Celery's own command."""
    code = """
import sys
from gevent import monkey
from boot.celery_program import main
patch_all = monkey.patch_all
def observed(*arguments, **options):
    print(sorted({"django", "kombu.connection", "boot.celery"} & set(sys.modules)), file=sys.stderr)
    patch_all(*arguments, **options)
monkey.patch_all = observed
main("worker", ["-P", "gevent", "--help"])
"""
    assert run("-c", code).stderr.splitlines()[-1] == "[]"
