"""`doorito run --reload all`: what runs follows the code."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.system.copies import copy_tree
from tests.system.databases import database
from tests.system.jobs import do_main_job
from tests.system.stack import Stack

pytestmark = pytest.mark.system

PROGRAMS = ("web", "celery-worker", "celery-beat")


@pytest.fixture(scope="module")
def reloading(tmp_path_factory: pytest.TempPathFactory, migrated: str) -> Iterator[Stack]:
    """A stack that reloads, in a copy of the tree that the tests change and leave in working order."""
    tree = copy_tree(tmp_path_factory.mktemp("reload") / "tree")
    with (
        database(template=migrated) as url,
        Stack(options=["--reload"], root=tree, environ={"DATABASE_URL": url}) as stack,
    ):
        yield stack.start()


def test_a_changed_file_restarts_each_program(reloading: Stack) -> None:
    """Watchers stay, what they watch is replaced, and the new code is what runs."""
    watchers = {program: reloading.program_pid(program) for program in PROGRAMS}
    before = {program: _child(pid) for program, pid in watchers.items()}
    with (reloading.root / "apps/ops/apps.py").open("a") as file:
        file.write("\nprint('the new code', __import__('os').getpid(), flush=True)\n")
    for program, watcher in watchers.items():
        reloading.wait_for("the new code", partial(reloading.says, rf"^{program} +\| the new code"))
        assert _child(watcher) not in (0, before[program])
    assert {program: reloading.program_pid(program) for program in PROGRAMS} == watchers
    reloading.wait_for("the site", lambda: reloading.answers("/readyz"))
    do_main_job(reloading)


def test_a_mistake_in_the_code_is_survived(reloading: Stack) -> None:
    """A syntax error, even in the settings, is shown and ends nothing; mending it brings all back."""
    file = reloading.root / "boot/settings.py"
    code = file.read_text()
    file.write_text(f"{code}\ndef broken(:\n")
    for program in PROGRAMS:
        mistake = rf"^{program} +\| .*settings.py.*\n(.*\n){{1,4}}{program} +\| SyntaxError"
        reloading.wait_for(f"{program} to fail", partial(reloading.says, mistake))
    file.write_text(code)
    reloading.wait_for("the site", lambda: reloading.answers("/readyz"))
    for program in PROGRAMS:
        reloading.wait_for(f"{program} to be back", partial(_child, reloading.program_pid(program)))
    do_main_job(reloading)


def _child(parent: int) -> int:
    """The pid of the one child of a process; 0 where it has none."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(") ")[2].split()
            if int(fields[1]) == parent and fields[0] != "Z":
                return int(stat.parent.name)
    return 0


def test_a_changed_template_is_shown(reloading: Stack) -> None:
    """Without a restart by hand: what is on the disk is what one sees."""
    template = reloading.root / "templates/base.html"
    template.write_text(template.read_text().replace("</body>", "<p>as changed</p></body>"))
    reloading.wait_for("the change", lambda: _shows(reloading, b"as changed"))


def _shows(stack: Stack, text: bytes) -> bool:
    try:
        return text in stack.get("/accounts/log-in/")[1]
    except OSError:  # between the old server and the new one nobody listens: no socket is held here
        return False
