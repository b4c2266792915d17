"""`doorito reload`: new settings and new code for a stack that runs, or nothing at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.copies import copy_tree
from tests.system.databases import database
from tests.system.load import Load
from tests.system.stack import Stack

pytestmark = pytest.mark.system

SECRET = "a secret that came by a file: 4tHbPq0zVn8sKd2mXw7yRj5cLf1gAe3u"


@pytest.fixture(scope="module")
def own(migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that takes settings from a file and from a secret file, and tells what has arrived."""
    folder = tmp_path_factory.mktemp("settings")
    (folder / "key").write_text(f"{SECRET}\n")
    with database(template=migrated) as url, Stack(environ={"DATABASE_URL": url}) as stack:
        port = stack.environ.pop("WEB_PORT")
        first = f"WEB_PORT={port}\nDEFAULT_FROM_EMAIL=first@example.com\nEMAIL_URL=dummy://\n"
        (folder / "env").write_text(first)
        stack.environ |= {
            "DJANGO_SETTINGS_MODULE": "tests.system.probe_settings",
            "PROBE_FOLDER": str(folder),
            "DOORITO_ENV_FILE": str(folder / "env"),
            "DJANGO_SECRET_KEY_FILE": str(folder / "key"),
        }
        yield stack.start()


@pytest.fixture
def folder(own: Stack) -> Path:
    return Path(own.environ["PROBE_FOLDER"])


def arrived(folder: Path, program: str) -> dict[str, str]:
    """What a program has read from its environment."""
    found: dict[str, str] = json.loads((folder / f"{program}.json").read_text())
    return found


def pids(stack: Stack) -> dict[str, int]:
    return {program: stack.program_pid(program) for program in stack.status()}


def test_files_are_read_again(own: Stack, folder: Path) -> None:
    """The environment file, what is no longer in it, and secret files; every program is another process."""
    before = pids(own)
    port = f"WEB_PORT={own.port}\n"
    (folder / "env").write_text(f"{port}DEFAULT_FROM_EMAIL=second@example.com\nLOG_LEVEL=warning\n")
    (folder / "key").write_text(f"{SECRET[::-1]}\n")
    done = own.doorito("reload")
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.splitlines()) >= {
        f"{program}: restarted, ready" for program in ("web", "celery-worker", "celery-beat")
    }
    after = pids(own)
    assert all(after[program] not in (0, before[program]) for program in before)
    for program in ("web", "celery-worker", "celery-beat"):
        found = arrived(folder, program)
        assert found["DEFAULT_FROM_EMAIL"] == "second@example.com"
        assert found["SECRET_KEY"] == SECRET[::-1]
    assert SECRET not in own.log + done.stdout + done.stderr


def test_what_is_no_longer_in_the_file_is_gone_for_good(own: Stack, folder: Path) -> None:
    """Also at the next reload, and the file goes on to be what is read."""
    right = (folder / "env").read_text()
    for text, expected in (
        ("EMAIL_URL=smtp://a:first@localhost:25", "first"),
        ("", ""),
        ("", ""),
        ("EMAIL_URL=smtp://a:second@localhost:25", "second"),
    ):
        (folder / "env").write_text(f"{right}{text}\n")
        done = own.doorito("reload")
        assert done.returncode == 0, done.stderr
        assert (arrived(folder, "web")["EMAIL_HOST_PASSWORD"] or "") == expected
    (folder / "env").write_text(right)


def test_what_is_wrong_changes_nothing(own: Stack, folder: Path) -> None:
    """All problems at once, and 78; the stack runs on as it was."""
    before = pids(own)
    right = (folder / "env").read_text()
    (folder / "env").write_text(right + "UPLOAD_MAX_MB=lots\nLOG_FORMAT=xml\n")
    try:
        done = own.doorito("reload")
        assert done.returncode == 78
        assert "UPLOAD_MAX_MB: " in done.stderr
        assert "LOG_FORMAT: " in done.stderr
        assert done.stderr.endswith("doorito reload: nothing was restarted\n")
        assert pids(own) == before
    finally:
        (folder / "env").write_text(right)


def test_what_only_a_start_can_change_is_refused(own: Stack, folder: Path) -> None:
    """Another port would need another socket."""
    before = pids(own)
    right = (folder / "env").read_text()
    (folder / "env").write_text(right + f"WEB_PORT={own.port - 1}\n")
    try:
        done = own.doorito("reload")
        assert done.returncode == 78
        why = "WEB_BIND or WEB_PORT has changed, which takes a stop and a start"
        assert done.stderr == f"doorito reload: {why}; nothing was restarted\n"
        assert pids(own) == before
    finally:
        (folder / "env").write_text(right)


def test_workers_may_become_more_and_fewer(own: Stack, folder: Path) -> None:
    """CELERY_WORKERS and numbers that supervisord itself has are changed as well; requests go on."""
    right = (folder / "env").read_text()
    with Load(("127.0.0.1", own.port), "/healthz") as load:
        load.wait_for(50)
        (folder / "env").write_text(right + "CELERY_WORKERS=high:1,default:1\nSTOP_BUDGET_S=50\n")
        done = own.doorito("reload")
        assert done.returncode == 0, done.stderr
        assert {"celery-worker-high", "celery-worker-default"} < own.status().keys()
        assert "celery-worker" not in own.status()
        (folder / "env").write_text(right)
        done = own.doorito("reload")
        assert done.returncode == 0, done.stderr
        assert set(own.status()) == {"web", "celery-worker", "celery-beat"}
        load.wait_for(50)
    assert load.failed == {}


def test_without_a_stack_there_is_nothing_to_reload(tmp_path: Path) -> None:
    """One line, and 69."""
    with Stack(environ={"DOORITO_RUNTIME_DIR": str(tmp_path)}) as stack:
        done = stack.doorito("reload")
    assert done.returncode == 69
    assert done.stderr == f"doorito reload: no stack runs here ({tmp_path}); start one with `doorito run`\n"


def test_code_that_does_not_load_changes_nothing(migrated: str, tmp_path: Path) -> None:
    """Its traceback is shown, and the old code goes on serving."""
    tree = copy_tree(tmp_path / "tree")
    with database(template=migrated) as url, Stack("web", root=tree, environ={"DATABASE_URL": url}) as stack:
        stack.start()
        pid = stack.program_pid("web")
        views = tree / "apps/uploads/views.py"
        views.write_text(views.read_text() + "\ndef broken(:\n")
        done = stack.doorito("reload")
        assert done.returncode == 70
        assert "SyntaxError" in done.stdout
        assert done.stderr == "doorito reload: the code does not load, see above; nothing was restarted\n"
        assert stack.program_pid("web") == pid
        assert stack.answers("/accounts/log-in/")
