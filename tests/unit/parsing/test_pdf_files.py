"""Files inside PDFs: handed out once, told by the text, refused where they would be too much."""

from pathlib import Path

import pytest

from services.ingest_worker.parsing.base import Member, Source
from services.ingest_worker.parsing.pdf import files
from services.ingest_worker.parsing.registry import Parsers
from shared.errors import ArchiveUnsafe, FileCorrupt
from tests.support.attached import only_pinned, pdf_with_files

NOTES = b"What the page does not say. " * 9


def source(folder: Path, content: bytes) -> Source:
    path = folder / "blob"
    path.write_bytes(content)
    return Source(path, "a.pdf")


def unpacked(source: Source, pages: range | None = None) -> dict[str, bytes]:
    members = Parsers().unpack(source, pages)
    return {one.name: b"".join(one.pieces) for one in members if isinstance(one, Member)}


def texts(source: Source, pages: range | None = None) -> list[tuple[int, str]]:
    return [(one.page, one.text) for one in Parsers().parse(source, pages).elements]


def test_files_of_the_document_are_handed_out_and_named_in_its_text(tmp_path: Path) -> None:
    attached = {"data.xml": b"<a>1</a>", "notes.txt": NOTES, "Übersicht.csv": b"a,b\n1,2\n"}
    file = source(tmp_path, pdf_with_files(["A page.", "Another."], attached))
    assert Parsers().parse(file, None).holds_files
    assert unpacked(file) == attached
    named = "Attachments: " + ", ".join(attached)
    assert texts(file) == [(1, "A page."), (1, named), (2, "Another.")]


def test_files_of_the_document_come_with_its_first_pages_only(tmp_path: Path) -> None:
    file = source(tmp_path, pdf_with_files(["A page.", "Another."], {"notes.txt": NOTES}))
    assert Parsers().parse(file, range(1, 2)).holds_files
    assert unpacked(file, range(1, 2)) == {"notes.txt": NOTES}
    later = Parsers().parse(file, range(2, 3))
    assert not later.holds_files
    assert [one.text for one in later.elements] == ["Another."]
    assert unpacked(file, range(2, 3)) == {}


def test_a_file_pinned_to_a_page_comes_with_that_page(tmp_path: Path) -> None:
    content = pdf_with_files(["One.", "Two.", "Three."], {}, pinned={"pin.txt": 2})
    file = source(tmp_path, only_pinned(content))
    assert unpacked(file) == {"page-2/pin.txt": b"Pinned to page 2."}
    assert [unpacked(file, range(at, at + 1)) for at in (1, 3)] == [{}, {}]
    held = [Parsers().parse(file, range(at, at + 1)).holds_files for at in (1, 2, 3)]
    assert held == [False, True, False]
    assert texts(file, range(2, 3)) == [(2, "Two."), (2, "Attachments: pin.txt")]


def test_a_pinned_file_that_is_also_the_documents_comes_once(tmp_path: Path) -> None:
    file = source(tmp_path, pdf_with_files(["One.", "Two."], {}, pinned={"pin.txt": 2}))
    assert unpacked(file) == {"pin.txt": b"Pinned to page 2."}


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    content = pdf_with_files(["One."], {"a.txt": b"first", "b.txt": b"second"})
    file = source(tmp_path, content.replace(b"(b.txt)", b"(a.txt)"))
    assert unpacked(file) == {"a.txt": b"first", "a (2).txt": b"second"}


def test_a_cover_page_without_text_is_found_by_its_files(tmp_path: Path) -> None:
    file = source(tmp_path, pdf_with_files([""], {"report.txt": NOTES}))
    assert texts(file) == [(1, "Attachments: report.txt")]
    assert unpacked(file) == {"report.txt": NOTES}


def test_a_pdf_without_files_holds_none(tmp_path: Path) -> None:
    assert not Parsers().parse(source(tmp_path, pdf_with_files(["One."], {})), None).holds_files


def test_a_file_that_grows_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "HARMLESS_BYTES", 0)
    file = source(tmp_path, pdf_with_files(["One."], {"zeros": bytes(2_000_000)}))
    with pytest.raises(ArchiveUnsafe):
        unpacked(file)


def test_a_damaged_file_harms_no_other(tmp_path: Path) -> None:
    content = pdf_with_files(["One."], {"a.txt": b"first", "b.txt": b"second"})
    at = content.index(b"/Type /EmbeddedFile\n")
    # Its object is no stream any more.
    spoilt = content[:at] + content[at:].replace(b"stream", b"strxxm", 1)
    found: dict[str, bytes | None] = {}
    for one in Parsers().unpack(source(tmp_path, spoilt)):
        assert isinstance(one, Member)
        try:
            found[one.name] = b"".join(one.pieces)
        except FileCorrupt:
            found[one.name] = None
    assert found == {"a.txt": None, "b.txt": b"second"}
