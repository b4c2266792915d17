"""The time to stop that Compose grants."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from boot.doctor import compose
from tests.boot.doctor.deployments import PASSWORD

# As `docker compose config --format json` of Compose 2.26 prints it, less what is of no interest here.
PRINTED = {
    "name": "doorito",
    "services": {
        "beat": {
            "command": ["celery-beat"],
            "environment": {"STOP_BUDGET_S": "20", "DATABASE_URL": PASSWORD},
            "image": "doorito",
        },
        "celery-worker": {"command": ["celery-worker"], "image": "doorito", "stop_grace_period": "1m30s"},
        "db": {"command": None, "image": "postgres:16-alpine"},
        "web": {
            "command": None,
            "environment": {"STOP_BUDGET_S": "120"},
            "image": "doorito",
            "stop_grace_period": "2m10s",
        },
    },
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a Compose file, and a stand-in for Docker that prints what the real one printed."""
    (tmp_path / "docker-compose.yml").touch()
    (tmp_path / "printed").write_text(json.dumps(PRINTED))
    script = tmp_path / "docker"
    script.write_text('#!/bin/sh\n[ "$*" = "compose config --format json" ] && exec cat printed\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def test_each_service_of_ours_is_asked(folder: Path) -> None:
    """By its command or its name; what the database is granted is not ours. The default is ten seconds."""
    found = {grant.whose: (grant.granted_s, grant.budget_s) for grant in compose.grants(folder)}
    assert found == {
        "service beat": (10, 20),
        "service celery-worker": (90, 120),
        "service web": (130, 120),
    }


def test_a_file_that_docker_refuses_is_said_to_be_so(folder: Path) -> None:
    """Not in its words, which may quote a value."""
    (folder / "printed").write_text(f"invalid interpolation {PASSWORD}")
    with pytest.raises(compose.Unreadable, match="Docker does not tell") as caught:
        compose.grants(folder)
    assert caught.value.mend == "`docker compose config` shows why"
    assert PASSWORD not in str(caught.value)


def test_without_a_file_or_without_docker_nothing_is_granted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No error either."""
    assert compose.grants(tmp_path_factory.mktemp("empty")) == []
    monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("no-programs")))
    assert compose.grants(folder) == []


def test_a_container_knows_that_it_is_one(tmp_path: Path) -> None:
    """By the file that its engine puts there."""
    mark = tmp_path / ".dockerenv"
    assert not compose.is_container((mark,))
    mark.touch()
    assert compose.is_container((mark,))
