"""A program's word on itself."""

from __future__ import annotations

import errno
import json
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from boot import heartbeat
from boot.places import BASE_DIR


def test_a_report_is_a_file_with_the_agreed_fields(tmp_path: Path) -> None:
    """Seconds since boot, readiness and reasons, in a folder that only its owner enters."""
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    heartbeat.report(tmp_path, "web", ready=False, reasons=("no database",))
    fact = json.loads((tmp_path / "heartbeat/web.json").read_text())
    assert fact.keys() == {"at", "ready", "reasons", "processes", "exempt"}
    assert before <= fact["at"] <= time.clock_gettime(time.CLOCK_BOOTTIME)
    assert (fact["ready"], fact["reasons"]) == (False, ["no database"])
    assert stat.S_IMODE((tmp_path / "heartbeat").stat().st_mode) == 0o700


def test_a_report_that_cannot_be_written_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A full folder, say: the program goes on, and the log says why it does not seem ready."""
    (tmp_path / "heartbeat").write_text("a file where the folder should be")
    heartbeat.report(tmp_path, "web", ready=True)
    assert not heartbeat.is_ready(tmp_path, "web")
    assert "cannot be written" in caplog.text


@pytest.mark.parametrize("has_inodes", [True, False])
def test_on_a_full_disk_a_report_is_written_over_the_last_one(
    tmp_path: Path, has_inodes: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A healthy program must not look as if it hung, and nothing half-written is left."""
    heartbeat.report(tmp_path, "web", ready=True)
    before = heartbeat.read(tmp_path, "web")

    def write_bytes(self: Path, data: bytes) -> int:
        if has_inodes:
            self.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    heartbeat.report(tmp_path, "web", ready=False, reasons=("draining",))
    after = heartbeat.read(tmp_path, "web")
    assert before
    assert after
    assert after.at > before.at
    assert after.reasons == ("draining",)
    assert caplog.text == ""
    heartbeat.report(tmp_path, "web", ready=False, reasons=("x" * 600,))
    heartbeat.report(tmp_path, "celery-beat", ready=True)
    assert caplog.text.count("cannot be written: No space left on device") == 2
    assert [path.name for path in (tmp_path / "heartbeat").iterdir()] == ["web.json"]


def test_the_last_report_holds_until_it_is_forgotten(tmp_path: Path) -> None:
    """Each report replaces the one before it, and programs do not answer for each other."""
    assert not heartbeat.is_ready(tmp_path, "web")
    heartbeat.report(tmp_path, "web", ready=True)
    assert heartbeat.is_ready(tmp_path, "web")
    assert not heartbeat.is_ready(tmp_path, "celery-worker")
    heartbeat.report(tmp_path, "web", ready=False)
    assert not heartbeat.is_ready(tmp_path, "web")
    heartbeat.report(tmp_path, "web", ready=True)
    heartbeat.forget(tmp_path, "web")
    heartbeat.forget(tmp_path, "web")
    assert not heartbeat.is_ready(tmp_path, "web")
    assert list((tmp_path / "heartbeat").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"3", b"{}", b'"ready"', b"\xff\xfe"])
def test_a_file_that_says_nothing_is_not_ready(content: bytes, tmp_path: Path) -> None:
    """Whatever stands in the file, the question is answered, since supervisord itself asks it."""
    (tmp_path / "heartbeat").mkdir()
    heartbeat.path(tmp_path, "web").write_bytes(content)
    assert not heartbeat.is_ready(tmp_path, "web")
    assert heartbeat.read(tmp_path, "web") is None


def test_a_reader_never_sees_half_a_report(tmp_path: Path) -> None:
    """A report of several kilobytes, replaced many times, is whole whenever it is read."""
    heartbeat.report(tmp_path, "web", ready=True, reasons=("x" * 50_000,))
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            heartbeat.report(tmp_path, "web", ready=True, reasons=("x" * 50_000,))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert all(heartbeat.is_ready(tmp_path, "web") for _ in range(500))
    finally:
        stop.set()
        writer.join()


def test_two_threads_of_one_process_do_not_spoil_each_others_report(tmp_path: Path) -> None:
    """gunicorn's worker threads may report at the same time."""
    failures: list[BaseException] = []

    def write() -> None:
        try:
            for _ in range(300):
                heartbeat.report(tmp_path, "web", ready=True)
        except BaseException as error:
            failures.append(error)

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    assert heartbeat.is_ready(tmp_path, "web")


def test_it_loads_nothing_but_the_standard_library() -> None:
    """supervisord's plug-in and the health probe import it, and stay small."""
    script = (
        "import sys, boot.heartbeat; print([m for m in ('django', 'environs', 'celery') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=BASE_DIR, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
