"""The type of a file: content first, the name where content cannot tell."""

import io
import random
import zipfile
from pathlib import Path

import pytest

from services.ingest_worker.parsing.detect import (
    CODE,
    DOCX,
    HTML,
    LINES,
    MARKDOWN,
    PDF,
    PLAIN,
    detect,
)
from shared.errors import (
    CitewellError,
    FileCorrupt,
    FileEmpty,
    FileEncrypted,
    TypeUnsupported,
)

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504


def zipped(*names: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in names:
            archive.writestr(name, "content")
    return target.getvalue()


WORD = zipped("[Content_Types].xml", "word/document.xml")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "blob"


@pytest.mark.parametrize(
    ("filename", "content", "expected"),
    [
        ("a.pdf", b"%PDF-1.7\n", PDF),
        ("a.PDF", b"\n\njunk %PDF-1.4\n", PDF),
        ("a.docx", WORD, DOCX),
        ("a.docm", WORD, DOCX),
        ("a.html", b"<p>hello", HTML),
        ("a.htm", b"<!DOCTYPE html><p>", HTML),
        ("a.md", b"# Title", MARKDOWN),
        ("a.md", b"<html> in markdown", MARKDOWN),
        ("folder/a.txt", b"words", PLAIN),
        ("README", b"words", PLAIN),
        ("", b"words", PLAIN),
        ("a.unknown", b"words", PLAIN),
        ("a.rst", b"Title\n=====", PLAIN),
        ("a.csv", b"a,b\n1,2", LINES),
        ("a.json", b"{}", LINES),
        ("a.xml", b"<?xml version='1.0'?><a/>", LINES),
        ("a.py", b"print()", CODE),
        ("notes on pdf.txt", b"The header is %PDF-1.7.", PLAIN),
    ],
)
def test_names_and_content_that_agree(
    path: Path, filename: str, content: bytes, expected: str
) -> None:
    path.write_bytes(content)
    assert detect(path, filename).media_type == expected
    assert detect(path, filename).warnings == []


@pytest.mark.parametrize(
    ("filename", "content", "expected"),
    [
        ("a.txt", b"%PDF-1.7\n", PDF),
        ("a.docx", b"%PDF-1.7\n", PDF),
        ("a.pdf", WORD, DOCX),
        ("a.pdf", b"<html><body>", HTML),
        ("a.txt", b"<!-- saved --> <!doctype HTML>", HTML),
        ("a.xml", b'<?xml version="1.0"?><html xmlns="x">', HTML),
        ("a.docx", b"only words", PLAIN),
    ],
)
def test_a_wrong_name_is_corrected_and_told(
    path: Path, filename: str, content: bytes, expected: str
) -> None:
    path.write_bytes(content)
    detected = detect(path, filename)
    assert detected.media_type == expected
    (warning,) = detected.warnings
    assert warning.code == "type_corrected"
    assert expected in warning.detail


@pytest.mark.parametrize(
    ("filename", "content", "error"),
    [
        ("a.txt", b"", FileEmpty),
        ("a.docx", OLE + "EncryptedPackage".encode("utf-16-le"), FileEncrypted),
        ("a.doc", OLE, TypeUnsupported),
        ("a.docx", WORD[: len(WORD) // 2], FileCorrupt),
        ("a.docx", zipped("something/else.xml"), FileCorrupt),
        ("a.zip", zipped("a.txt"), TypeUnsupported),
        ("a.zip", b"PK\x03\x04 cut short", TypeUnsupported),
        ("a.xlsx", zipped("[Content_Types].xml", "xl/workbook.xml"), TypeUnsupported),
        ("a.heic", b"\0\0\0\x18ftypheic" + bytes(64), TypeUnsupported),
        ("a.eml", b"From: a@b\n\nHello", TypeUnsupported),
        ("a.txt", b"{\\rtf1 Hello}", TypeUnsupported),
        ("a.txt", random.Random(1).randbytes(4000), TypeUnsupported),
    ],
)
def test_what_is_refused(
    path: Path, filename: str, content: bytes, error: type[CitewellError]
) -> None:
    path.write_bytes(content)
    with pytest.raises(error) as raised:
        detect(path, filename)
    assert type(raised.value) is error
