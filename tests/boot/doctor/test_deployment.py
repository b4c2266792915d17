"""What is known of the deployment that is looked at."""

from __future__ import annotations

import json
from pathlib import Path

from boot.doctor.deployment import find
from boot.env import examine
from tests.boot.doctor.deployments import deployment


def test_the_role_is_what_the_environment_says() -> None:
    """As it does for the programs that `doorito run` has started."""
    assert find(examine({"DOORITO_ROLE": "celery-worker"})).programs == ("celery-worker",)


def test_the_role_is_what_was_started_in_the_runtime_folder(tmp_path: Path) -> None:
    """A shell in the container of a role has no DOORITO_ROLE."""
    (tmp_path / "facts.json").write_text(json.dumps({"role": "web"}))
    found = find(examine({"DOORITO_RUNTIME_DIR": str(tmp_path)}))
    assert (found.role, found.programs) == ("web", ("web",))


def test_without_either_all_roles_are_looked_at(tmp_path: Path) -> None:
    """Nor does a file that is none of ours, or an old pid, tell anything."""
    (tmp_path / "facts.json").write_text("[]")
    (tmp_path / "supervisord.pid").write_text("1\n")
    found = find(examine({"DOORITO_RUNTIME_DIR": str(tmp_path)}))
    assert (found.role, found.pid) == (None, None)
    assert found.programs == ("web", "celery-worker", "celery-beat")
    assert find(examine({"DOORITO_RUNTIME_DIR": "/" + "long/" * 30, "WEB_PORT": "x"})).role is None


def test_the_development_server_counts_as_web() -> None:
    """It is one process with threads."""
    assert deployment("dev").programs == ("web",)
