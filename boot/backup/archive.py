"""The backup's file: a plain tar in which no bit can change unnoticed.

    database.dump     pg_dump's custom format, which is compressed
    media/...         folders and files of MEDIA_ROOT, as they are
    manifest.json     what this is, the folders, and size and SHA-256 of every file above
    seal.sha256       SHA-256 of all that stands before it but the files' contents, which the manifest has

Written in one pass: sizes and sums are known at the end. Any `tar` unpacks it.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from boot.backup.errors import Damaged

FORMAT: Final = 1
DATABASE: Final = "database.dump"
MEDIA: Final = "media/"
MANIFEST: Final = "manifest.json"
SEAL: Final = "seal.sha256"
CHUNK: Final = 1 << 20  # bytes read at once
BLOCK: Final = tarfile.BLOCKSIZE
LONGEST_NAME: Final = 4096  # bytes: PATH_MAX
LATEST: Final = 8**11 - 1  # seconds since the epoch: the eleven octal digits of a header
# What every manifest says beside the members; see `boot.backup.create`.
FACTS: Final = {"created": str, "database": str, "server": str, "server_major": int, "pg_dump_major": int}
FILE_MODE: Final = 0o600


class Member(NamedTuple):
    """One member of the file; `name` of a folder has no final slash."""

    name: str
    is_folder: bool
    size: int  # bytes
    mode: int  # permission bits
    mtime: int  # seconds since the epoch
    start: int  # where its header begins in the file
    offset: int  # where its content begins

    @property
    def end(self) -> int:
        """Where its content ends; zeros fill the block."""
        return self.offset + self.size


@dataclass(frozen=True)
class Contents:
    """What a checked file holds."""

    facts: Mapping[str, Any]  # of the manifest: who made it, when, of which server
    database: Member
    folders: tuple[Member, ...]  # of MEDIA_ROOT, each before what is in it
    files: tuple[Member, ...]

    @property
    def media_size(self) -> int:
        return sum(member.size for member in self.files)


class Writer:
    """Writes members to an open file, one after another."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._end = 0
        self._frame = hashlib.sha256()
        self._members: dict[str, dict[str, Any]] = {}
        self._folders: list[str] = []

    def add(self, name: str, chunks: Iterable[bytes], mode: int = FILE_MODE, mtime: int = 0) -> None:
        """A file; its size is that of what comes. Raises OSError."""
        size, digest = 0, hashlib.sha256()
        content = self._end + len(_header(name, 0, mode, mtime))
        for chunk in chunks:
            self._write(chunk, content + size)
            digest.update(chunk)
            size += len(chunk)
        self._framed(_header(name, size, mode, mtime))
        self._end += size
        self._framed(bytes(-size % BLOCK))
        self._members[name] = {"size": size, "sha256": digest.hexdigest()}

    def add_folder(self, name: str, mode: int) -> None:
        self._framed(_header(name, 0, mode, 0, tarfile.DIRTYPE))
        self._folders.append(name)

    def finish(self, facts: Mapping[str, Any], mtime: int) -> None:
        """The manifest, with `facts` in it, and the seal."""
        manifest = {"format": FORMAT, **facts, "folders": self._folders, "members": self._members}
        text = json.dumps(manifest, indent=1).encode()
        self._framed(_header(MANIFEST, len(text), FILE_MODE, mtime) + text + bytes(-len(text) % BLOCK))
        seal = _seal(self._frame.hexdigest())
        block = _header(SEAL, len(seal), FILE_MODE, mtime) + seal
        self._write(block.ljust(_whole_size(self._end + len(block)) - self._end, b"\0"), self._end)

    def _framed(self, data: bytes) -> None:
        self._write(data, self._end)
        self._frame.update(data)
        self._end += len(data)

    def _write(self, data: bytes, position: int) -> None:
        while data:
            count = os.pwrite(self._descriptor, data, position)
            data, position = data[count:], position + count


def check(descriptor: int, done: Callable[[int], None] = lambda count: None) -> Contents:
    """Read the whole file and compare every bit with its sums; what it holds.

    `done` is told of each number of bytes read. Raises Damaged.
    """
    frame = hashlib.sha256()
    digests: dict[str, str] = {}
    found: list[Member] = []
    manifest: Any = None
    framed = 0  # the frame's bytes are known up to here
    for member in _members(descriptor):
        _feed(frame, descriptor, framed, member.start if member.name == SEAL else member.offset)
        framed = member.offset
        if member.name == SEAL:
            _check_seal(descriptor, member, frame.hexdigest())
        elif member.name == MANIFEST:
            manifest = _manifest(read(descriptor, member))
        else:
            digest = hashlib.sha256()
            for chunk in chunks(descriptor, member):
                digest.update(chunk)
                done(len(chunk))
            digests[member.name] = digest.hexdigest()
            framed = member.end
            found.append(member)
    return _contents(manifest, found, digests)


def chunks(descriptor: int, member: Member) -> Iterator[bytes]:
    """A member's content. Raises Damaged where the file ends before it."""
    return _range(descriptor, member.offset, member.end)


def read(descriptor: int, member: Member) -> bytes:
    """A small member's content."""
    return b"".join(chunks(descriptor, member))


def _header(name: str, size: int, mode: int, mtime: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A tar header: one block, or three with a long name; a size beyond 8 GB fits as well."""
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime, info.type = size, mode, mtime, kind
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _seal(digest: str) -> bytes:
    return f"{digest}\n".encode()


def _whole_size(end: int) -> int:
    """The size of a tar whose last content ends here: two blocks of zeros at least, in whole records."""
    return -(-(end + 2 * BLOCK) // tarfile.RECORDSIZE) * tarfile.RECORDSIZE


def _range(descriptor: int, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        chunk = os.pread(descriptor, min(CHUNK, end - start), start)
        if not chunk:
            raise Damaged("it is cut short")
        start += len(chunk)
        yield chunk


def _feed(frame: Any, descriptor: int, start: int, end: int) -> None:
    for chunk in _range(descriptor, start, end):
        frame.update(chunk)


def _members(descriptor: int) -> Iterator[Member]:
    """All members up to the seal. Raises Damaged where one is none of ours, or the seal is missing."""
    start = 0
    while True:
        offset, info = _next_header(descriptor, start)
        name = info.name.removesuffix("/")
        is_folder = info.type == tarfile.DIRTYPE
        _refuse_foreign(name, info)
        mtime = min(max(0, int(info.mtime)), LATEST)
        member = Member(name, is_folder, info.size, info.mode & 0o777, mtime, start, offset)
        yield member
        if name == SEAL:
            return
        start = member.end + -member.size % BLOCK


def _next_header(descriptor: int, start: int) -> tuple[int, tarfile.TarInfo]:
    """Where the content after a header begins, and what the header says."""
    info, offset = _block(descriptor, start), start + BLOCK
    if info.type != tarfile.GNUTYPE_LONGNAME:
        return offset, info
    if not 0 < info.size <= LONGEST_NAME:
        raise Damaged("it holds a name that is too long")
    name = b"".join(_range(descriptor, offset, offset + info.size)).rstrip(b"\0")
    offset += info.size + -info.size % BLOCK
    info = _block(descriptor, offset)
    info.name = name.decode("utf-8", "surrogateescape")
    return offset + BLOCK, info


def _block(descriptor: int, start: int) -> tarfile.TarInfo:
    block = b"".join(_range(descriptor, start, start + BLOCK))
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        if start == 0:
            raise Damaged("it was not written by `doorito backup`") from error
        raise Damaged(f"its structure is broken at byte {start}") from error


def _refuse_foreign(name: str, info: tarfile.TarInfo) -> None:
    """A link, a device, or a name that would leave the folder. Raises Damaged."""
    in_media = name.startswith(MEDIA)
    is_file = info.type == tarfile.REGTYPE and info.name == name and info.size >= 0
    is_folder = info.type == tarfile.DIRTYPE and info.size == 0 and in_media
    is_known = in_media or name in (DATABASE, MANIFEST, SEAL)
    parts = name.split("/")
    if not (is_known and (is_file or is_folder)) or {"", ".", ".."} & set(parts) or "\0" in name:
        raise Damaged(f"it holds {name!r}, which no backup holds")


def _check_seal(descriptor: int, member: Member, digest: str) -> None:
    content = _seal(digest)
    expected = _header(SEAL, len(content), FILE_MODE, member.mtime) + content
    if member.size != len(content) or b"".join(_range(descriptor, member.start, member.end)) != expected:
        raise Damaged("its manifest or its structure was changed")
    end = _whole_size(member.end)
    rest = b"".join(_range(descriptor, member.end, end))
    if any(rest) or os.fstat(descriptor).st_size != end:
        raise Damaged("something follows its end")


def _manifest(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Damaged("its manifest cannot be read") from error


def _contents(manifest: Any, found: list[Member], digests: Mapping[str, str]) -> Contents:
    """What was found, where it is what the manifest says. Raises Damaged."""
    if not isinstance(manifest, dict):
        raise Damaged("it has no manifest")
    if manifest.get("format") != FORMAT:
        raise Damaged(f"it has format {manifest.get('format')!r}, and this doorito reads format {FORMAT}")
    stated = manifest.get("members")
    is_complete = all(isinstance(manifest.get(name), kind) for name, kind in FACTS.items())
    if not is_complete or not isinstance(stated, dict):
        raise Damaged("its manifest is not of `doorito backup`")
    files = [member for member in found if not member.is_folder]
    folders = [member for member in found if member.is_folder]
    for member in files:
        if stated.get(member.name) != {"size": member.size, "sha256": digests[member.name]}:
            raise Damaged(f"{member.name!r} is not what was backed up")
    if len(files) != len(stated) or [folder.name for folder in folders] != manifest.get("folders"):
        raise Damaged("it does not hold what its manifest lists")
    _refuse_odd_tree(folders, files)
    database, *media = files
    return Contents(manifest, database, tuple(folders), tuple(media))


def _refuse_odd_tree(folders: list[Member], files: list[Member]) -> None:
    """No database first, a name twice, something without its folder. Raises Damaged."""
    if not files or files[0].name != DATABASE:
        raise Damaged("it does not begin with a database")
    names, known = set(), {"", MEDIA.removesuffix("/")}
    for member in sorted([*folders, *files], key=lambda member: member.start):
        if member.name in names or member.name.rpartition("/")[0] not in known:
            raise Damaged(f"it holds {member.name!r} twice, or not in its folder")
        names.add(member.name)
        if member.is_folder:
            known.add(member.name)
