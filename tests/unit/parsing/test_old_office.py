"""Word, PowerPoint and Excel of before 2007, binary workbooks, and books."""

import datetime as dt
import struct
from pathlib import Path

import pytest
import xlwt  # type: ignore[import-untyped]

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.registry import Parsers
from shared.errors import FileCorrupt, FileEncrypted
from tests.support.compound import (
    ENDS_ROW,
    HEADING_STYLE,
    IN_TABLE,
    LISTED,
    Para,
    Slide,
    write_compound,
    write_doc,
    write_ppt,
)
from tests.support.office import write_epub, write_xlsb, write_zip

LOCKED_SHOW = 0xF3D1C4DF


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "blob"


def read(path: Path, name: str, pages: range | None = None) -> Parsed:
    return Parsers().parse(Source(path, name), pages)


def told(parsed: Parsed) -> list[tuple[str, str]]:
    return [(one.kind.value, one.text) for one in parsed.elements]


@pytest.mark.parametrize("compressed", [True, False])
def test_doc_headings_tables_lists_notes_and_margins(path: Path, *, compressed: bool) -> None:
    paragraphs = [
        Para("Überschrift\r", HEADING_STYLE),
        Para('See \x13HYPERLINK "x"\x14the page\x15\x1ehere\r'),
        Para("a\x07", 0, IN_TABLE),
        Para("b\r", 0, IN_TABLE),
        Para("more\x07", 0, IN_TABLE),
        Para("\x07", 0, ENDS_ROW),
        Para("item\r", 0, LISTED),
        Para("The end\r"),
    ]
    write_doc(
        path, paragraphs, footnotes="\x02A note\r", margins="Top\rTop\r", compressed=compressed
    )
    parsed = read(path, "a.doc")
    assert told(parsed) == [
        ("title", "Überschrift"),
        ("paragraph", "See the page-here"),
        ("table", "a | b more"),
        ("list_item", "item"),
        ("paragraph", "The end"),
        ("paragraph", "A note"),
        ("paragraph", "Top"),
    ]
    assert parsed.elements[0].level == 1


def test_doc_characters_outside_the_first_plane_move_nothing(path: Path) -> None:
    write_doc(path, [Para("one 😀 two\r"), Para("Title\r", HEADING_STYLE)])
    assert told(read(path, "a.doc")) == [("paragraph", "one 😀 two"), ("title", "Title")]


def test_doc_that_is_locked_or_lacks_its_text(path: Path) -> None:
    write_doc(path, [Para("x\r")], flags=0x0100)
    with pytest.raises(FileEncrypted):
        read(path, "a.doc")
    write_compound(path, {"WordDocument": struct.pack("<HH", 0xA5EC, 0xC1) + bytes(900)})
    with pytest.raises(FileCorrupt):
        read(path, "a.doc")


def test_doc_of_word_95(path: Path) -> None:
    head = bytearray(0x300)
    text = b"Caf\xe9\rNext\r"
    struct.pack_into("<HH", head, 0, 0xA5DC, 104)
    struct.pack_into("<II", head, 0x18, 0x300, 0x300 + len(text))
    struct.pack_into("<i", head, 0x34, len(text))
    write_compound(path, {"WordDocument": bytes(head) + text})
    assert told(read(path, "a.doc")) == [("paragraph", "Café"), ("paragraph", "Next")]


def test_ppt_slides_with_footers_and_notes(path: Path) -> None:
    slides = [
        Slide([(4, "Box"), (0, "Title"), (1, "one\rtwo")], notes="Say this"),
        Slide([(6, "Second")], footer="Its own"),
        Slide([]),
    ]
    write_ppt(path, slides, footer="For all")
    assert Parsers().plan(Source(path, "a.ppt")).pages == 3
    assert [(one.kind.value, one.text, one.page) for one in read(path, "a.ppt").elements] == [
        ("title", "Title", 1),
        ("paragraph", "Box", 1),
        ("list_item", "one", 1),
        ("list_item", "two", 1),
        ("paragraph", "For all", 1),
        ("paragraph", "Say this", 1),
        ("title", "Second", 2),
        ("paragraph", "Its own", 2),
        ("paragraph", "For all", 3),
    ]
    assert [one.text for one in read(path, "a.ppt", range(2, 3)).elements] == ["Second", "Its own"]


def test_ppt_without_text_is_told_and_a_locked_one_refused(path: Path) -> None:
    write_ppt(path, [Slide([])])
    assert [warning.page for warning in read(path, "a.ppt").warnings] == [1]
    write_ppt(path, [Slide([(0, "x")])], token=LOCKED_SHOW)
    with pytest.raises(FileEncrypted):
        read(path, "a.ppt")


def test_xls_cells_as_they_are_shown(path: Path) -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Fmt")
    looks = [("0%", 0.25), ('"$"#,##0.00', -1234.5), ("dd/mm/yyyy", dt.date(2020, 3, 5))]
    for column, (look, value) in enumerate(looks):
        style = xlwt.XFStyle()
        style.num_format_str = look
        sheet.write(0, column, value, style)
    sheet.write(0, 3, 0.1 + 0.2)
    sheet.write(0, 4, True)
    sheet.write(2, 1, "apart")
    book.add_sheet("Empty")
    book.save(str(path))
    parsed = read(path, "a.xls")
    assert told(parsed) == [
        ("title", "Fmt"),
        ("table", "25% | -$1,234.50 | 05/03/2020 | 0.3 | TRUE"),
        ("paragraph", "apart"),
    ]
    assert [warning.page for warning in parsed.warnings] == [2]


def test_xlsb_is_read(path: Path) -> None:
    write_xlsb(path, [["name", "size"], ["ant", 2.5]], name="Small")
    assert told(read(path, "a.xlsb")) == [("title", "Small"), ("table", "name | size\nant | 2.5")]


def test_xlsb_with_a_cell_far_away_costs_nothing(path: Path) -> None:
    write_xlsb(path, [["near"], ["far"]], places=[(0, 0), (1_048_575, 16_383)])
    assert told(read(path, "a.xlsb"))[1:] == [("paragraph", "near"), ("paragraph", "far")]


def test_xlsb_that_is_damaged_is_corrupt(path: Path) -> None:
    write_zip(path, {"[Content_Types].xml": "<Types/>", "xl/workbook.bin": b"\xff" * 99})
    with pytest.raises(FileCorrupt):
        read(path, "a.xlsb")


def test_epub_chapters_in_the_order_of_the_spine(path: Path) -> None:
    chapters = {"two%20words.xhtml": "<h1>First</h1><p>Text</p>", "b.xhtml": "<p>Second</p>"}
    write_epub(path, chapters, title="The book", extra={"OEBPS/two words.xhtml": "<p>Named</p>"})
    texts = [text for _, text in told(read(path, "a.epub"))]
    assert texts == ["The book", "Named", "Second"]


def test_epub_with_locked_chapters(path: Path) -> None:
    locked = '<e><r:CipherReference xmlns:r="urn:r" URI="OEBPS/a.xhtml"/></e>'
    write_epub(path, {"a.xhtml": "<p>x</p>"}, extra={"META-INF/encryption.xml": locked})
    with pytest.raises(FileEncrypted):
        read(path, "a.epub")
    write_epub(path, {"b.xhtml": "<p>x</p>"}, extra={"META-INF/encryption.xml": locked})
    assert told(read(path, "a.epub")) == [("paragraph", "x")]
