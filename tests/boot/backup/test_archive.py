"""The backup's file: what goes in comes out, and nothing else is taken for it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from boot.backup import archive
from boot.backup.archive import Contents, Writer
from boot.backup.errors import Damaged

FACTS: dict[str, Any] = {
    "created": "2026-01-02T03:04:05+00:00",
    "database": "doorito",
    "server": "16.14",
    "server_major": 16,
    "pg_dump_major": 16,
}
LONG = "media/" + "d" * 90 + "/" + "ü" * 100
ODD = "media/line\nend and \udcff"  # a name that is not UTF-8


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.tar"


def _write(path: Path, fill: Callable[[Writer], None], facts: dict[str, Any] = FACTS) -> None:
    with path.open("wb") as file:
        writer = Writer(file.fileno())
        fill(writer)
        writer.finish(facts, mtime=1_700_000_000)


def _check(path: Path) -> Contents:
    with path.open("rb") as file:
        return archive.check(file.fileno())


def _usual(writer: Writer) -> None:
    writer.add("database.dump", iter([b"PG", b"DMP"]))
    writer.add_folder("media/" + "d" * 90, 0o750)
    writer.add(LONG, iter([b"x" * 511]), mode=0o640, mtime=1_600_000_000)
    writer.add(ODD, iter([]))


def test_what_went_in_comes_out(path: Path) -> None:
    """Names of any length and bytes, modes, times, contents, and the facts."""
    _write(path, _usual)
    contents = _check(path)
    assert {name: contents.facts[name] for name in FACTS} == FACTS
    assert [(folder.name, folder.mode) for folder in contents.folders] == [("media/" + "d" * 90, 0o750)]
    assert [(file.name, file.size, file.mode) for file in contents.files] == [
        (LONG, 511, 0o640),
        (ODD, 0, 0o600),
    ]
    assert contents.files[0].mtime == 1_600_000_000
    assert contents.media_size == 511
    with path.open("rb") as file:
        assert archive.read(file.fileno(), contents.files[0]) == b"x" * 511
        assert archive.read(file.fileno(), contents.database) == b"PGDMP"


def test_any_tar_unpacks_it(path: Path, tmp_path: Path) -> None:
    """In an emergency nothing of ours is needed; the seal is told by sha256sum's own file format."""
    _write(path, _usual)
    with tarfile.open(path) as tar:
        assert [member.name for member in tar][-2:] == ["manifest.json", "seal.sha256"]
    subprocess.run(["tar", "xf", path, "-C", tmp_path], check=True)
    assert (tmp_path / LONG).read_bytes() == b"x" * 511
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["format"] == 1
    assert manifest["members"][LONG] == {"size": 511, "sha256": hashlib.sha256(b"x" * 511).hexdigest()}


def test_no_bit_can_change(path: Path) -> None:
    """One bit of every byte: contents, headers, names, padding, manifest, seal, and the zeros at the end."""
    _write(path, _usual)
    whole = path.read_bytes()
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1 << position % 8
        path.write_bytes(changed)
        with pytest.raises(Damaged):
            _check(path)


def test_no_end_can_be_missing(path: Path) -> None:
    """Cut short anywhere, empty, or with something behind it."""
    _write(path, _usual)
    whole = path.read_bytes()
    for size in [*range(0, len(whole), 256), len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(Damaged):
            _check(path)
    for more in (b"\0", b"x", bytes(tarfile.RECORDSIZE)):
        path.write_bytes(whole + more)
        with pytest.raises(Damaged, match="follows its end"):
            _check(path)


@pytest.mark.parametrize("foreign", [b"PGDMP and so on", os.urandom(20_000), bytes(20_480)])
def test_another_kind_of_file_is_told_so(path: Path, foreign: bytes) -> None:
    """A bare dump, noise, an empty tar."""
    path.write_bytes(foreign.ljust(512, b"x"))
    with pytest.raises(Damaged, match="not written by `doorito backup`"):
        _check(path)


@pytest.mark.parametrize(
    "name",
    ["media/../../x", "media/..", "/etc/passwd", "../x", "media//x", "media/./x", "media/", "other", "media"],
)
def test_a_name_that_leaves_the_folder_is_refused(path: Path, name: str) -> None:
    """With a right seal, as somebody may make one."""

    def fill(writer: Writer) -> None:
        _usual(writer)
        writer.add(name, iter([b"x"]))

    _write(path, fill)
    with pytest.raises(Damaged, match="no backup holds"):
        _check(path)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, b"x", b"S"]
)
def test_links_and_devices_are_refused(path: Path, kind: bytes) -> None:
    """Files and folders are all that a backup holds."""
    member = tarfile.TarInfo("media/x")
    member.type, member.linkname = kind, "/etc/passwd"
    path.write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(10_240))
    with pytest.raises(Damaged, match="no backup holds"):
        _check(path)


@pytest.mark.parametrize(
    "names",
    [
        ["media/x"],
        ["media/x", "database.dump"],
        ["database.dump", "database.dump"],
        ["database.dump", "media/x/y"],
        ["database.dump", "media/x", "media/x/"],
        ["database.dump", "media/x", "media/x/y"],
    ],
)
def test_an_odd_tree_is_refused(path: Path, names: list[str]) -> None:
    """No database first, a name twice, a file that is a folder, a file without its folder."""

    def fill(writer: Writer) -> None:
        for name in names:
            if name.endswith("/"):
                writer.add_folder(name.removesuffix("/"), 0o700)
            else:
                writer.add(name, iter([]))

    _write(path, fill)
    with pytest.raises(Damaged):
        _check(path)


@pytest.mark.parametrize("change", [{"format": 2}, {"created": 1}, {"pg_dump_major": None}])
def test_another_format_or_another_manifest_is_refused(path: Path, change: dict[str, Any]) -> None:
    """A later version of doorito may write another."""
    _write(path, _usual, FACTS | change)
    with pytest.raises(Damaged, match=r"format 2|not of `doorito backup`"):
        _check(path)


def test_more_than_8_gigabytes_fit(path: Path) -> None:
    """Beyond what eleven octal digits say; a file of zeros that the disk does not store."""
    header = archive._header("database.dump", 9 << 30, 0o600, 0)
    with path.open("wb") as file:
        file.write(header)
        file.truncate(512 + (9 << 30) + 512)
    with path.open("rb") as file:
        first = next(archive._members(file.fileno()))
    assert (first.size, first.offset) == (9 << 30, 512)
