"""The time to stop that systemd grants."""

from __future__ import annotations

from pathlib import Path

import pytest

from boot.doctor import systemd

# As `systemctl show` of systemd 252 prints them.
LOADED = "TimeoutStopUSec=2min 10s\nLoadState=loaded\n"
ENDLESS = "TimeoutStopUSec=infinity\nLoadState=loaded\n"
MISSING = "TimeoutStopUSec=1min 30s\nLoadState=not-found\n"


def test_a_loaded_unit_tells_its_time() -> None:
    """One that is not there shows the default, which means nothing."""
    assert systemd.timeout(LOADED) == 130
    assert systemd.timeout(ENDLESS) == float("inf")
    assert systemd.timeout(MISSING) is None
    assert systemd.timeout("") is None


def test_the_unit_is_that_of_the_process() -> None:
    """Whatever it is called, under either version of control groups; a shell is in none."""
    assert systemd.unit_of("0::/system.slice/shop.service\n") == "shop.service"
    assert systemd.unit_of("4:memory:/\n1:name=systemd:/system.slice/shop.service\n") == "shop.service"
    assert systemd.unit_of("0::/user.slice/user-1000.slice/session-3.scope\n") is None


def test_the_unit_that_runs_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`systemctl` is asked for the unit of the stack's process, else for doorito.service."""
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text("0::/system.slice/shop.service\n")
    script = tmp_path / "systemctl"
    script.write_text(
        '#!/bin/sh\nfor unit; do :; done\necho "LoadState=loaded\nTimeoutStopUSec=90s"\n'
        f'echo "$unit" >> {tmp_path}/asked\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (granted,) = systemd.grants(120, 7, tmp_path)
    assert (granted.whose, granted.granted_s, granted.budget_s) == ("shop.service", 90, 120)
    systemd.grants(120, None, tmp_path)
    assert (tmp_path / "asked").read_text() == "shop.service\ndoorito.service\n"


def test_without_systemd_nothing_is_granted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No program of that name, and no error."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert systemd.grants(120, None) == []
