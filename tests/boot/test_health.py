"""Whether what runs here does its work."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from boot import cli, health, heartbeat, places, runtime
from boot.health import Health
from boot.places import BASE_DIR

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The runtime folder that a probe looks in; a stack has it."""
    monkeypatch.setenv("DOORITO_RUNTIME_DIR", str(tmp_path))
    lock = runtime.claim(tmp_path)
    yield tmp_path
    os.close(lock)


def start(folder: Path, *programs: str, port: int = 9) -> None:
    """Have a stack of these programs been started in the folder."""
    facts = {
        "role": "all",
        "programs": list(programs),
        "probe": ["127.0.0.1", port],
        "postmaster_file": str(folder / "postmaster.pid"),
    }
    runtime.write_facts(folder, facts)


@pytest.fixture
def answer(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a server that answers one request with the test's bytes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(request.param)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def http(status: int, body: Any) -> bytes:
    return f"HTTP/1.1 {status} Whatever\r\nConnection: close\r\n\r\n{json.dumps(body)}".encode()


def test_nothing_that_has_started_is_not_healthy(folder: Path, capsys: Captured) -> None:
    """A start that still prepares, or none at all; status 1, and where it looked."""
    assert cli.main(["health"]) == 1
    assert (
        capsys.readouterr().out
        == f"start: not ready: nothing has started yet in {folder}; a start that waits says so in its log\n"
    )


@pytest.mark.usefixtures("folder")
def test_without_arguments_nothing_is_parsed(capsys: Captured) -> None:
    """The same words, the same status."""
    statuses = {health.main()}
    said = capsys.readouterr().out
    statuses.add(cli.main(["health"]))
    assert said == capsys.readouterr().out != ""
    assert statuses == {1}


@pytest.mark.parametrize("answer", [http(200, {"ready": True, "reasons": []})], indirect=True)
def test_all_that_are_ready_are_healthy(folder: Path, answer: int, capsys: Captured) -> None:
    """The web server answers, the loops have just reported, PostgreSQL has said so in its own file."""
    start(folder, "postgres", "web", "celery-worker", "celery-beat", port=answer)
    (folder / "postmaster.pid").write_text("1\n/data\n2\n5432\n/run\n\n 5 6\nready   \n")
    for program in ("celery-worker", "celery-beat"):
        heartbeat.report(folder, program, ready=True)
    assert cli.main(["health"]) == 0
    ready = "postgres: ready\nweb: ready\ncelery-worker: ready\ncelery-beat: ready\n"
    assert capsys.readouterr().out == ready


def test_a_stack_that_was_killed_is_not_healthy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However fresh the reports are that it has left."""
    monkeypatch.setenv("DOORITO_RUNTIME_DIR", str(tmp_path))
    start(tmp_path, "celery-beat")
    heartbeat.report(tmp_path, "celery-beat", ready=True)
    assert health.probe() == [Health("celery-beat", False, ("no stack runs here any more",))]


@pytest.mark.parametrize(
    ("text", "reason"),
    [(None, "starting"), ("1\n/data\n2\n", "starting"), ("\n" * 7 + "stopping\n", "stopping")],
)
def test_postgresql_that_starts_or_stops_is_not_ready(folder: Path, text: str | None, reason: str) -> None:
    """Its file is not there yet, or not whole, or says so."""
    if text is not None:
        (folder / "postmaster.pid").write_text(text)
    start(folder, "postgres")
    assert health.probe() == [Health("postgres", False, (reason,))]


def test_a_web_server_on_a_unix_socket_is_asked_there(folder: Path) -> None:
    """Where nobody listens its path is named."""
    facts = {"role": "web", "programs": ["web"], "probe": f"{folder}/web.sock", "postmaster_file": ""}
    runtime.write_facts(folder, facts)
    (found,) = health.probe()
    assert found.reasons == (f"/readyz does not answer on {folder}/web.sock (No such file or directory)",)


@pytest.mark.parametrize(
    ("answer", "reasons"),
    [
        (http(503, {"ready": False, "reasons": ["no database", "no luck"]}), ("no database", "no luck")),
        (http(500, "an error page"), ("/readyz answers 500, and not in Doorito's words",)),
        (http(200, {"other": 1}), ("/readyz answers 200, and not in Doorito's words",)),
        (http(200, []), ("/readyz answers 200, and not in Doorito's words",)),
    ],
    indirect=["answer"],
)
def test_a_web_server_that_is_not_ready_says_why(folder: Path, answer: int, reasons: tuple[str, ...]) -> None:
    """In its own words, or in ours where it is another server."""
    start(folder, "web", port=answer)
    assert health.probe() == [Health("web", False, reasons)]


@pytest.mark.parametrize("answer", [b"SSH-2.0-whatever\r\n", b"", b"HTTP/1.1\r\n\r\n"], indirect=True)
def test_a_port_where_no_web_server_answers(folder: Path, answer: int) -> None:
    """No answer that can be read is no health."""
    start(folder, "web", port=answer)
    (found,) = health.probe()
    assert not found.ready
    assert "does not answer on port" in found.reasons[0]


def test_a_refused_connection_is_named(folder: Path) -> None:
    """With the port and the system's words."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        start(folder, "web", port=port)
        (found,) = health.probe("web")
    assert found.reasons == (f"/readyz does not answer on port {port} (Connection refused)",)


def test_a_loop_that_has_not_reported_is_not_ready(folder: Path) -> None:
    """Though its process may live."""
    start(folder, "celery-worker")
    assert health.probe() == [Health("celery-worker", False, ("does not run, or has not reported yet",))]


def test_a_report_holds_for_half_a_minute() -> None:
    """Then whoever made it is silent, and that is said first."""
    fact = heartbeat.Fact(at=1000.0, ready=True, reasons=())
    assert health.judge("celery-beat", fact, 1030.0) == Health("celery-beat", True)
    late = health.judge("celery-beat", fact, 1041.0)
    assert late == Health("celery-beat", False, ("heartbeat 41 s old",))


def test_a_loop_that_says_why_it_is_not_ready_is_quoted() -> None:
    """The reasons of its own report."""
    fact = heartbeat.Fact(at=1000.0, ready=False, reasons=("the database does not answer",))
    assert health.judge("celery-beat", fact, 1001.0) == Health("celery-beat", False, fact.reasons)


def test_one_role_of_several_is_asked_alone(folder: Path, capsys: Captured) -> None:
    """`doorito health celery-beat` in a container of role `all`."""
    start(folder, "web", "celery-beat")
    heartbeat.report(folder, "celery-beat", ready=True)
    assert cli.main(["health", "celery-beat"]) == 0
    assert [one.program for one in health.probe("all")] == ["web", "celery-beat"]
    assert cli.main(["health", "celery-worker"]) == 64
    assert "celery-worker does not run here; what does is web, celery-beat" in capsys.readouterr().err


def test_machines_get_an_object(folder: Path, capsys: Captured) -> None:
    """`--json`: whether all is ready, and each program with its reasons."""
    start(folder, "celery-beat")
    assert cli.main(["health", "--json"]) == 1
    fact = {"ready": False, "reasons": ["does not run, or has not reported yet"]}
    assert json.loads(capsys.readouterr().out) == {"ready": False, "programs": {"celery-beat": fact}}


@pytest.mark.parametrize("content", ["", "[]", "{", '{"role": "all", "programs": ["web"]}', "3"])
def test_facts_of_another_version_are_told_so(folder: Path, content: str) -> None:
    """Or what a full disk has left of them: no traceback."""
    (folder / "facts.json").write_text(content)
    (found,) = health.probe()
    assert found.reasons == (f"{folder}/facts.json was written by another version",)


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Whoever asks is the wrong user, most likely."""
    (tmp_path / "file").touch()
    (found,) = health.probe(folder=tmp_path / "file")
    assert "cannot be read" in found.reasons[0]
    assert "ask as the user whose stack it is" in found.reasons[0]


def test_it_looks_where_supervisorctl_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The variable first, then the file that a start wrote for supervisorctl, then the default."""
    monkeypatch.setenv("DOORITO_RUNTIME_DIR", "/run/doorito")
    assert health.runtime_dir() == Path("/run/doorito")
    monkeypatch.delenv("DOORITO_RUNTIME_DIR")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert health.runtime_dir() == Path(places.default_runtime_dir())
    runtime.point_supervisorctl(tmp_path / "run")
    assert health.runtime_dir() == tmp_path / "run"


def test_a_probe_imports_neither_django_nor_environs() -> None:
    """It runs every few seconds in every container."""
    script = (
        "import sys; from boot import cli; cli.main(['health']); "
        "print([m for m in ('django', 'environs', 'celery', 'supervisor', 'boot.env') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=BASE_DIR, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_report_is_dated_by_the_clock_that_runs_while_a_machine_sleeps(tmp_path: Path) -> None:
    """A laptop that slept for an hour has a worker that was silent for an hour."""
    heartbeat.report(tmp_path, "celery-beat", ready=True)
    fact = heartbeat.read(tmp_path, "celery-beat")
    assert fact
    assert fact.at <= time.clock_gettime(time.CLOCK_BOOTTIME)
