"""The runtime folder."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from boot import runtime
from boot.places import BASE_DIR


def test_the_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """Made with its parents, mode 0700, and taken again as it is."""
    folder = tmp_path / "a" / "run"
    os.close(runtime.private(folder))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    os.close(runtime.private(folder))


def test_a_folder_that_others_use_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    """DOORITO_RUNTIME_DIR=/tmp must not close /tmp to everybody."""
    tmp_path.chmod(0o1777)
    with pytest.raises(runtime.RuntimeFolderError, match="chmod 700"):
        runtime.private(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o1777


def test_a_folder_given_to_our_group_opens_the_socket_to_it(tmp_path: Path) -> None:
    """Mode 0750, as a systemd unit asks for: members may use supervisorctl. One of our own making is 0700."""
    modes = []
    for mode in (0o700, 0o750):
        tmp_path.chmod(mode)
        descriptor = runtime.private(tmp_path)
        modes.append(runtime.socket_mode(descriptor))
        os.close(descriptor)
    assert modes == ["0600", "0660"]


@pytest.mark.parametrize("mode", [0o770, 0o751, 0o755, 0o710, 0o2750])
def test_a_folder_that_is_open_any_further_is_refused(mode: int, tmp_path: Path) -> None:
    """A group that could write there could put its own socket in the place of supervisord's."""
    tmp_path.chmod(mode)
    with pytest.raises(runtime.RuntimeFolderError, match="is open to others"):
        runtime.private(tmp_path)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to any group")
def test_a_folder_given_to_another_group_is_refused(tmp_path: Path) -> None:
    """Its members are not those that the service's group lets in."""
    tmp_path.chmod(0o750)
    os.chown(tmp_path, -1, 12345)
    with pytest.raises(runtime.RuntimeFolderError, match="is open to others"):
        runtime.private(tmp_path)


def test_a_link_a_file_and_an_impossible_place_are_refused(tmp_path: Path) -> None:
    """Each with the folder's name and the variable that mends it."""
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "file").touch()
    for folder in (tmp_path / "link", tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nothing")):
        with pytest.raises(runtime.RuntimeFolderError, match="set DOORITO_RUNTIME_DIR") as caught:
            runtime.private(folder)
        assert str(folder) in str(caught.value)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a folder of somebody else's")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """Whoever owns it could read what is in it."""
    os.chown(tmp_path, 12345, 12345)
    with pytest.raises(runtime.RuntimeFolderError, match="belongs to another user"):
        runtime.private(tmp_path)


def test_a_folder_is_claimed_by_one_at_a_time(tmp_path: Path) -> None:
    """The second is told how to stop the first; once that has let go, it gets the folder."""
    lock = runtime.claim(tmp_path)
    with pytest.raises(runtime.AlreadyRunning, match="supervisorctl shutdown"):
        runtime.claim(tmp_path)
    os.close(lock)
    os.close(runtime.claim(tmp_path))


@pytest.mark.parametrize("occupied", [0, 1, 4])
def test_the_lock_outlives_exec(occupied: int, tmp_path: Path) -> None:
    """Whichever descriptor it was, and that of its final place is one of them."""
    script = (
        "import os, sys; from pathlib import Path; from boot import runtime\n"
        f"for _ in range({occupied}): os.open('/', os.O_RDONLY)\n"
        "runtime.keep(runtime.claim(Path(sys.argv[1])))\n"
        "os.execvp('sh', ['sh', '-c', 'echo; read line'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"\n"
        with pytest.raises(runtime.AlreadyRunning):
            runtime.claim(tmp_path)
        process.communicate(b"\n")
    os.close(runtime.claim(tmp_path))


def test_only_what_a_killed_stack_left_is_removed(tmp_path: Path) -> None:
    """Socket, pid file and heartbeats go; logs of programs stay."""
    (tmp_path / "heartbeat").mkdir()
    for name in ("supervisor.sock", "supervisord.pid", "heartbeat/web.json", "web.log"):
        (tmp_path / name).touch()
    runtime.clean(tmp_path)
    runtime.clean(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["web.log"]


def test_facts_are_written_whole(tmp_path: Path) -> None:
    """The file replaces the one before it, and no draft is left."""
    runtime.write_facts(tmp_path, {"role": "all"})
    runtime.write_facts(tmp_path, {"role": "web"})
    assert json.loads((tmp_path / "facts.json").read_text()) == {"role": "web"}
    assert [path.name for path in tmp_path.iterdir()] == ["facts.json"]


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment of this test's own, where supervisorctl's file is written."""
    folder = tmp_path / "venv"
    folder.mkdir()
    monkeypatch.setattr(sys, "prefix", str(folder))
    return folder


def test_supervisorctl_is_told_where_the_socket_is(prefix: Path, tmp_path: Path) -> None:
    """The command needs no option then; a stack that starts elsewhere later takes over."""
    for name in ("one", "two"):
        command = runtime.point_supervisorctl(tmp_path / name)
        assert command == f"{prefix}/bin/supervisorctl status"
        written = (prefix / "etc/supervisord.conf").read_text()
        assert f"serverurl=unix://{tmp_path}/{name}/supervisor.sock" in written


def test_a_running_stack_keeps_supervisorctl(prefix: Path, tmp_path: Path) -> None:
    """The command of another one names its socket, as long as the first runs."""
    first, second = tmp_path / "first", tmp_path / "second"
    lock = runtime.claim(first)
    runtime.point_supervisorctl(first)
    expected = f"{prefix}/bin/supervisorctl -s unix://{second}/supervisor.sock status"
    assert runtime.point_supervisorctl(second) == expected
    fcntl.flock(lock, fcntl.LOCK_UN)
    assert runtime.point_supervisorctl(second) == f"{prefix}/bin/supervisorctl status"
    os.close(lock)


def test_an_environment_that_cannot_be_written_is_left_alone(prefix: Path, tmp_path: Path) -> None:
    """The command names the socket then."""
    (prefix / "etc").touch()  # a file where the folder would be: root is refused as well
    assert runtime.point_supervisorctl(tmp_path).endswith(f"-s unix://{tmp_path}/supervisor.sock status")
