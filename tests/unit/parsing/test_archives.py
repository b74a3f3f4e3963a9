"""Archives: names are data, bombs are refused, what is left out is told."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from services.ingest_worker.parsing.base import Member, Source
from services.ingest_worker.parsing.holders.archives import HARMLESS_BYTES
from services.ingest_worker.parsing.registry import Parsers, clean_name
from shared.errors import ArchiveUnsafe, FileCorrupt, NoTextFound
from shared.models import JobWarning

MEMBERS = {"a.txt": b"one", "../b.txt": b"two", "dir/c.txt": b"three"}


def zipped(members: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def tarred(members: dict[str, bytes], mode: str = "w") -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        folder = tarfile.TarInfo("dir")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    return target.getvalue()


def source(folder: Path, content: bytes, filename: str) -> Source:
    path = folder / "blob"
    path.write_bytes(content)
    return Source(path, filename)


def unpacked(source: Source) -> tuple[dict[str, bytes], list[JobWarning]]:
    found: dict[str, bytes] = {}
    told = []
    for one in Parsers().unpack(source):
        if isinstance(one, Member):
            found[one.name] = b"".join(one.pieces)
        else:
            told.append(one)
    return found, told


def test_a_zip(tmp_path: Path) -> None:
    file = source(tmp_path, zipped(MEMBERS | {"dir/": b"", "__MACOSX/._a.txt": b"x"}), "x/a.zip")
    assert unpacked(file) == (MEMBERS, [])
    listed = Parsers().parse(file, None).elements
    assert [one.text for one in listed] == ["a.zip", *MEMBERS]


@pytest.mark.parametrize(
    ("filename", "mode"), [("a.tar", "w"), ("a.tgz", "w:gz"), ("a.tar.bz2", "w:bz2"), ("a", "w:xz")]
)
def test_a_tar_however_compressed(tmp_path: Path, filename: str, mode: str) -> None:
    found, (told,) = unpacked(source(tmp_path, tarred(MEMBERS, mode), filename))
    assert found == MEMBERS
    assert (told.code, told.detail) == ("attachment_skipped", "link is left out: it is a link.")


@pytest.mark.parametrize(
    ("filename", "pack"),
    [("a.txt.gz", gzip.compress), ("a.txt.bz2", bz2.compress), ("a.txt.xz", lzma.compress)],
)
def test_a_compressed_file_is_one_member(
    tmp_path: Path, filename: str, pack: Callable[[bytes], bytes]
) -> None:
    assert unpacked(source(tmp_path, pack(b"words"), filename))[0] == {"a.txt": b"words"}


@pytest.mark.parametrize(
    ("filename", "content"),
    [
        ("a.zip", zipped({"zeros": bytes(HARMLESS_BYTES * 2)})),
        ("a.gz", gzip.compress(bytes(HARMLESS_BYTES * 2))),
        ("a.tgz", gzip.compress(tarred({"zeros": bytes(HARMLESS_BYTES * 2)}))),
    ],
)
def test_what_grows_too_much_is_refused(tmp_path: Path, filename: str, content: bytes) -> None:
    with pytest.raises(ArchiveUnsafe):
        unpacked(source(tmp_path, content, filename))


def test_a_damaged_member_harms_no_other(tmp_path: Path) -> None:
    content = bytearray(zipped({"a.txt": b"one" * 99, "b.txt": b"two" * 99}))
    content[content.find(b"a.txt") + 6] ^= 0xFF
    found: dict[str, bytes | None] = {}
    for one in Parsers().unpack(source(tmp_path, bytes(content), "a.zip")):
        assert isinstance(one, Member)
        try:
            found[one.name] = b"".join(one.pieces)
        except FileCorrupt:
            found[one.name] = None
    assert found == {"a.txt": None, "b.txt": b"two" * 99}


def test_names_of_old_are_guessed(tmp_path: Path) -> None:
    content = zipped({"Xe.txt": b"x"}).replace(b"Xe.txt", "ü.txt".encode())
    assert list(unpacked(source(tmp_path, content, "a.zip"))[0]) == ["ü.txt"]


def test_members_of_one_name_are_told_apart(tmp_path: Path) -> None:
    content = zipped({"a.txt": b"one", "b.txt": b"two", "c.txt": b"three"})
    content = content.replace(b"b.txt", b"a.txt").replace(b"c.txt", b"a.txt")
    found, _ = unpacked(source(tmp_path, content, "a.zip"))
    assert found == {"a.txt": b"one", "a (2).txt": b"two", "a (3).txt": b"three"}


def test_an_empty_archive_has_no_text(tmp_path: Path) -> None:
    parsed = Parsers().parse(source(tmp_path, zipped({}), "a.zip"), None)
    assert (parsed.elements, NoTextFound.code) == ([], "no_text_found")


def test_names_are_one_short_line() -> None:
    assert clean_name("a\r\n\x00b.txt") == "a b.txt"
    assert clean_name("\x07") == "unnamed"
    assert len(clean_name("x" * 999)) == 200
