"""Where things live."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from boot import places


def test_one_checkout_has_one_runtime_folder_and_another_one_another() -> None:
    """The runtime folder's name holds the user and the checkout, and is the same at each call."""
    folder = places.default_runtime_dir()
    assert folder == places.default_runtime_dir()
    assert folder == f"/tmp/doorito-{os.getuid()}-{places.fingerprint(places.BASE_DIR)}"
    assert places.fingerprint("/a") != places.fingerprint("/b")


def test_the_runtime_folder_does_not_follow_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever XDG_RUNTIME_DIR or TMPDIR say, `supervisorctl` finds the same folder."""
    before = places.default_runtime_dir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/elsewhere")
    monkeypatch.setenv("TMPDIR", "/elsewhere")
    assert places.default_runtime_dir() == before


def test_the_default_runtime_folder_fits_a_socket() -> None:
    """A checkout however deep gets a folder whose socket can be bound."""
    assert places.fits_socket(places.default_runtime_dir())


def test_what_fits_is_what_the_kernel_binds(tmp_path: Path) -> None:
    """The longest accepted folder's socket can be bound, and one byte more cannot."""
    room = places.SOCKET_PATH_BYTES - len(os.fsencode(tmp_path)) - len(places.LONGEST_SOCKET_NAME) - 1
    longest, longer = tmp_path / ("x" * room), tmp_path / ("x" * (room + 1))
    assert places.fits_socket(longest)
    assert not places.fits_socket(longer)
    for folder in (longest, longer):
        folder.mkdir()
    with socket.socket(socket.AF_UNIX) as bound, socket.socket(socket.AF_UNIX) as refused:
        bound.bind(f"{longest}{places.LONGEST_SOCKET_NAME}")
        with pytest.raises(OSError, match="too long"):
            refused.bind(f"{longer}{places.LONGEST_SOCKET_NAME}")


def test_a_path_counts_bytes_not_characters() -> None:
    """Letters of two bytes fill a socket's path twice as fast."""
    assert places.fits_socket("/" + "e" * 60)
    assert not places.fits_socket("/" + "é" * 60)


def test_relative_paths_are_below_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working folder decides nothing; an unknown user's home is left for the parser to refuse."""
    monkeypatch.chdir(tmp_path)
    assert places.absolute("a/b") == places.BASE_DIR / "a/b"
    assert places.absolute("/a") == Path("/a")
    assert places.absolute("~") == Path.home()
    assert places.absolute("~nobody-of-this-name") == places.BASE_DIR / "~nobody-of-this-name"


@pytest.mark.parametrize(("uid", "home"), [(0, places.ROOTS_HOME), (1000, Path("/state/postgres"))])
def test_roots_postgres_lives_where_another_user_can_enter(
    uid: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's server runs as another user, so it is kept out of the checkout; everyone else's is inside."""
    monkeypatch.setattr(os, "getuid", lambda: uid)
    found = places.postgres_home("/state")
    assert found == (home / places.fingerprint("/state") if uid == 0 else home)
    assert places.postgres_socket_dir("/state", "run") == (
        found / "run" if uid == 0 else places.BASE_DIR / "run"
    )
