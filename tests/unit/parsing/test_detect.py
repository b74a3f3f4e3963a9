"""The type of a file: content first, the name where content cannot tell."""

import io
import random
import zipfile
from pathlib import Path

import pytest

from services.ingest_worker.parsing.detect import (
    CODE,
    COMPRESSED,
    CSV,
    DOCX,
    HTML,
    JSON,
    LINES,
    MAIL,
    MARKDOWN,
    MHTML,
    NOTEBOOK,
    ORG,
    OUTLOOK,
    PDF,
    PLAIN,
    RST,
    SUBTITLES,
    TAR,
    XML,
    ZIP,
    detect,
)
from services.ingest_worker.parsing.office_types import (
    DOC,
    EPUB,
    ODP,
    ODS,
    ODT,
    PPT,
    PPTX,
    RTF,
    XLS,
    XLSB,
    XLSX,
)
from shared.errors import (
    CitewellError,
    FileCorrupt,
    FileEmpty,
    FileEncrypted,
    TypeUnsupported,
)
from tests.support.compound import write_compound
from tests.support.office import flat_odf
from tests.support.office import zipped as zip_of

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
        ("a.pptm", zipped("[Content_Types].xml", "ppt/presentation.xml"), PPTX),
        ("a.xlsm", zipped("[Content_Types].xml", "xl/workbook.xml"), XLSX),
        ("a.xlsb", zipped("[Content_Types].xml", "xl/workbook.bin"), XLSB),
        ("a.odt", zip_of({"mimetype": ODT}), ODT),
        ("a.ott", zip_of({"mimetype": f"{ODT}-template"}), ODT),
        ("a.ods", zip_of({"mimetype": ODS}), ODS),
        ("a.odp", zip_of({"mimetype": ODP}), ODP),
        ("a.odg", zip_of({"mimetype": "application/vnd.oasis.opendocument.graphics"}), ODP),
        ("a.odt", zip_of({"META-INF/manifest.xml": f"<m {ODT}>", "content.xml": ""}), ODT),
        ("a.fodt", flat_odf("text", "").encode(), ODT),
        ("a.fods", flat_odf("spreadsheet", "").encode(), ODS),
        ("a.epub", zip_of({"mimetype": EPUB}), EPUB),
        ("a.epub", zipped("META-INF/container.xml"), EPUB),
        ("a.rtf", b"{\\rtf1 Hello}", RTF),
        ("a.rtf", b"{\\pard A fragment\\par}", RTF),
        ("a.html", b"<p>hello", HTML),
        ("a.htm", b"<!DOCTYPE html><p>", HTML),
        ("a.md", b"# Title", MARKDOWN),
        ("a.md", b"<html> in markdown", MARKDOWN),
        ("folder/a.txt", b"words", PLAIN),
        ("README", b"words", PLAIN),
        ("", b"words", PLAIN),
        ("a.unknown", b"words", PLAIN),
        ("a.log", b"words", LINES),
        ("a.rst", b"Title\n=====", RST),
        ("a.org", b"* Title", ORG),
        ("a.csv", b"a,b\n1,2", CSV),
        ("a.tsv", b"a\tb\n1\t2", CSV),
        ("a.json", b"{}", JSON),
        ("a.jsonl", b"{}\n{}", JSON),
        ("a.xml", b"<?xml version='1.0'?><a/>", XML),
        ("a.dump", b"<?xml version='1.0'?><a/>", XML),
        ("a.ipynb", b"{}", NOTEBOOK),
        ("a.srt", b"1", SUBTITLES),
        ("a.eml", b"From: a@b\n\nHello", MAIL),
        ("a.mht", b"From: a@b\n\nHello", MHTML),
        ("a.msg", OLE + "__properties_version1.0".encode("utf-16-le"), OUTLOOK),
        ("a.zip", zipped("a.txt"), ZIP),
        ("a.tgz", b"\x1f\x8b\x08" + bytes(9), COMPRESSED),
        ("a.tar", b"a.txt".ljust(257, b"\0") + b"ustar\0", TAR),
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
        ("a.xlsx", WORD, DOCX),
        ("a.doc", b"{\\rtf1 Hello}", RTF),
        ("a.txt", b"{\\rtf1 Hello}", RTF),
        ("a.xls", b"<html><table>", HTML),
        ("a.docx", zip_of({"mimetype": ODT}), ODT),
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
        ("a.doc", OLE, FileCorrupt),
        ("a.thumbs", OLE, TypeUnsupported),
        ("a.docx", WORD[: len(WORD) // 2], FileCorrupt),
        ("a.docx", zipped("something/else.xml"), FileCorrupt),
        ("a.key", zipped("Index/Document.iwa"), TypeUnsupported),
        ("a.key", b"PK\x03\x04 cut short", TypeUnsupported),
        ("a.zip", b"PK\x03\x04 cut short", FileCorrupt),
        ("a.odt", zipped("something/else.xml"), FileCorrupt),
        ("a.epub", WORD[: len(WORD) // 2], FileCorrupt),
        ("a.heic", b"\0\0\0\x18ftypheic" + bytes(64), TypeUnsupported),
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


@pytest.mark.parametrize(
    ("stream", "expected"),
    [("WordDocument", DOC), ("Workbook", XLS), ("Book", XLS), ("PowerPoint Document", PPT)],
)
def test_compound_files_are_told_by_their_streams(path: Path, stream: str, expected: str) -> None:
    write_compound(path, {"\x05SummaryInformation": b"", stream: b"content"})
    assert detect(path, "").media_type == expected


@pytest.mark.parametrize(
    ("streams", "error"),
    [
        ({"EncryptedPackage": b"x", "EncryptionInfo": b"x"}, FileEncrypted),
        ({"Anything": b"x"}, TypeUnsupported),
    ],
)
def test_other_compound_files_are_refused(
    path: Path, streams: dict[str, bytes], error: type[CitewellError]
) -> None:
    write_compound(path, streams)
    with pytest.raises(error):
        detect(path, "a.doc")
