"""Archives (zip, tar) and compressed files: a table of contents to read, members handed out.

Nothing is written here and no name is followed: members are streams of bytes, names are data.
"""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from services.ingest_worker.parsing.base import Member, Parsed, Source
from services.ingest_worker.parsing.detect import COMPRESSED, TAR, ZIP
from services.ingest_worker.parsing.encodings import decode
from services.ingest_worker.parsing.packages import limited
from services.ingest_worker.parsing.scrub import scrub
from shared.errors import ArchiveUnsafe, FileEncrypted, TypeUnsupported
from shared.models import Element, ElementKind, JobWarning

PIECE_BYTES = 1024 * 1024
# Names in the table of contents that an archive is found by.
MAX_LISTED = 1000
MAX_LISTED_CHARS = 200
# Text shrinks to a tenth, logs to a thirtieth; bombs to a thousandth and less.
MAX_RATIO = 200
# Below this a ratio harms nobody.
HARMLESS_BYTES = 32 * 1024 * 1024
# What file managers leave in archives.
_LITTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_ENCRYPTED = 0x1
_LOCKED = "it needs a password"
_LINK = "it is a link"
_DEVICE = "it is no regular file"
_OPENERS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZ": bz2.BZ2File,
    b"\xfd7": lzma.LZMAFile,
}


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file in an archive, not opened yet; or why it is left out."""

    name: str
    open: Callable[[], IO[bytes]] | None
    why: str = ""


class ArchiveParser:
    """Reads an archive as the list of what is in it, and hands that out."""

    name = "archive/1"
    media_types = frozenset({ZIP, TAR, COMPRESSED})

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the names of the members.

        Raises:
            FileEncrypted: there are members, and none can be opened without a password.
        """
        del pages
        names: list[str] = []
        locked = 0
        for entry in _entries(source):
            locked += entry.why == _LOCKED
            if entry.open is not None and len(names) < MAX_LISTED:
                names.append(scrub(entry.name)[:MAX_LISTED_CHARS])
        if locked and not names:
            raise FileEncrypted
        title = Element(kind=ElementKind.TITLE, text=PurePosixPath(source.filename).name, level=1)
        listed = [Element(kind=ElementKind.LIST_ITEM, text=name) for name in names]
        return Parsed([title, *listed] if listed else [], holds_files=True)

    def unpack(self, source: Source, pages: range | None) -> Iterator[Member | JobWarning]:
        """Yield the members; links, devices and what is locked are left out, and told."""
        del pages
        for entry in _entries(source):
            if entry.open is not None:
                yield Member(entry.name, _pieces(entry.open))
            elif entry.why:
                detail = f"{scrub(entry.name)} is left out: {entry.why}."
                yield JobWarning(code="attachment_skipped", detail=detail)


def _measured(stream: IO[bytes], packed_bytes: int) -> IO[bytes]:
    """Return a stream that fails once it has grown to far more than it was."""
    error = ArchiveUnsafe(f"It unpacks to more than {MAX_RATIO} times its size.")
    return io.BufferedReader(limited(stream, HARMLESS_BYTES + MAX_RATIO * packed_bytes, error))


def _entries(source: Source) -> Iterator[_Entry]:
    with source.path.open("rb") as file:
        mark = file.read(2)
    if mark == b"PK":
        return _zip_entries(source)
    if mark in _OPENERS:
        return _compressed_entries(source, _OPENERS[mark])
    return _tar_entries(source.path.open("rb"))


def _zip_entries(source: Source) -> Iterator[_Entry]:
    with zipfile.ZipFile(source.path) as archive:
        if source.password:
            archive.setpassword(source.password.encode())
        for info in archive.infolist():
            if not info.is_dir() and not _is_litter(info.filename):
                why = _why_not(archive, info)
                yield _Entry(_zip_name(info), None if why else partial(_opened, archive, info), why)


def _why_not(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    if stat.S_ISLNK(info.external_attr >> 16):
        return _LINK
    if info.flag_bits & _ENCRYPTED:
        try:
            archive.open(info).close()
        except RuntimeError:
            return _LOCKED
    return ""


def _opened(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    return _measured(archive.open(info), info.compress_size)


def _zip_name(info: zipfile.ZipInfo) -> str:
    """Return a member's name; without the flag for UTF-8 it may be in any encoding."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return decode(info.orig_filename.encode("cp437")).text
    except (UnicodeEncodeError, TypeUnsupported):
        return info.filename


def _compressed_entries(source: Source, opener: Callable[[Path], Any]) -> Iterator[_Entry]:
    def opened() -> IO[bytes]:
        return _measured(opener(source.path), source.path.stat().st_size)

    with opened() as stream:
        is_tar = _is_tar(stream.read(tarfile.BLOCKSIZE))
    if is_tar:
        yield from _tar_entries(opened())
    else:
        name = PurePosixPath(source.filename)
        yield _Entry(name.stem if name.suffix else f"{name.name}.unpacked", opened)


def _is_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    return True


def _tar_entries(stream: IO[bytes]) -> Iterator[_Entry]:
    with stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for info in archive:
            # It would keep every one of them.
            archive.members = []  # type: ignore[attr-defined]
            if info.isfile() and not _is_litter(info.name):
                yield _Entry(info.name, partial(_file_of, archive, info))
            elif not info.isdir() and not info.isfile():
                yield _Entry(info.name, None, _LINK if info.issym() or info.islnk() else _DEVICE)


def _file_of(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    return archive.extractfile(info) or io.BytesIO()


def _is_litter(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return path.name in _LITTER or "__MACOSX" in path.parts


def _pieces(opened: Callable[[], IO[bytes]]) -> Iterator[bytes]:
    with opened() as stream:
        while piece := stream.read(PIECE_BYTES):
            yield piece
