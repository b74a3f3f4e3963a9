"""Workbooks: written with XlsxWriter, and by hand where it cannot."""

import datetime as dt
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import xlsxwriter  # type: ignore[import-untyped]
from xlsxwriter import Workbook

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.office import sheets
from services.ingest_worker.parsing.registry import Parsers
from shared.errors import FileCorrupt, FileTooLarge
from shared.models import ElementKind
from tests.support.office import write_zip

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "blob"


def read(path: Path, pages: range | None = None) -> Parsed:
    return Parsers().parse(Source(path, "a.xlsx"), pages)


def saved(path: Path, write: Callable[[Workbook], object]) -> list[tuple[str, str, int]]:
    with xlsxwriter.Workbook(str(path)) as book:
        write(book)
    return [(one.kind.value, one.text, one.page) for one in read(path).elements]


def raw(path: Path, rows: str, strings: str = "") -> Parsed:
    """A workbook of one sheet of this XML."""
    kinds = {"1": ("worksheet", "worksheets/sheet1.xml"), "2": ("sharedStrings", "strings.xml")}
    relations = "".join(
        f'<Relationship Id="rId{at}" Type="{RELATIONS}/{kind}" Target="{target}"/>'
        for at, (kind, target) in kinds.items()
    )
    sheet = f'<sheets><sheet name="S" r:id="rId1" xmlns:r="{RELATIONS}"/></sheets>'
    data = f"<sheetData>{rows}</sheetData>"
    write_zip(
        path,
        {
            "[Content_Types].xml": "<Types/>",
            "xl/workbook.xml": f"<workbook {MAIN}>{sheet}</workbook>",
            "xl/_rels/workbook.xml.rels": f"<Relationships>{relations}</Relationships>",
            "xl/strings.xml": f"<sst {MAIN}>{strings}</sst>",
            "xl/worksheets/sheet1.xml": f"<worksheet {MAIN}>{data}</worksheet>",
        },
    )
    return read(path)


def test_a_sheet_is_a_page_with_its_name_and_its_table(path: Path) -> None:
    def write(book: Workbook) -> None:
        for name in ("North", "South"):
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, ["Town", "People"])
            sheet.write_row(1, 0, [f"{name}ville", 1200])

    assert saved(path, write) == [
        ("title", "North", 1),
        ("table", "Town | People\nNorthville | 1200", 1),
        ("title", "South", 2),
        ("table", "Town | People\nSouthville | 1200", 2),
    ]


def test_pages_are_read_alone(path: Path) -> None:
    def write(book: Workbook) -> None:
        for name in ("One", "Two", "Three"):
            book.add_worksheet(name).write(0, 0, f"text {name}")

    saved(path, write)
    assert Parsers().plan(Source(path, "a.xlsx")).pages == 3
    found = read(path, range(2, 3))
    assert [one.text for one in found.elements] == ["Two", "text Two"]
    assert found.pages == 1


def test_cells_are_read_as_they_are_shown(path: Path) -> None:
    def write(book: Workbook) -> None:
        sheet = book.add_worksheet("S")
        looks = ["0.0%", "#,##0.00", "dd/mm/yyyy", '"No. "000']
        values = [0.256, -1234.5, dt.date(2020, 3, 5), 7]
        for column, (look, value) in enumerate(zip(looks, values, strict=True)):
            style = book.add_format({"num_format": look})
            if isinstance(value, dt.date):
                sheet.write_datetime(0, column, value, style)
            else:
                sheet.write(0, column, value, style)
        sheet.write(0, 4, True)
        sheet.write_formula(0, 5, "=1/3", None, 1 / 3)
        sheet.write_formula(0, 6, '="a"&"b"', None, "ab")

    (_, (_, text, _)) = saved(path, write)
    assert text == "25.6% | -1,234.50 | 05/03/2020 | No. 007 | TRUE | 0.33333333333 | ab"


def test_lines_above_a_table_are_no_header(path: Path) -> None:
    def write(book: Workbook) -> None:
        sheet = book.add_worksheet("S")
        sheet.write(0, 0, "Report of the year")
        sheet.write_row(1, 0, ["a", "b"])
        sheet.write_row(2, 0, [1, 2])
        sheet.write(4, 0, "A remark")
        sheet.write_row(6, 2, ["c", "d"])

    assert [one[:2] for one in saved(path, write)] == [
        ("title", "S"),
        ("paragraph", "Report of the year"),
        ("table", "a | b\n1 | 2"),
        ("paragraph", "A remark"),
        ("table", "c | d"),
    ]


def test_a_long_table_has_its_header_in_every_run(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "RUN_ROWS", 2)

    def write(book: Workbook) -> None:
        sheet = book.add_worksheet("S")
        for row, values in enumerate((["n", "square"], [1, 1], [2, 4], [3, 9], [4, 16])):
            sheet.write_row(row, 0, values)

    assert [text for kind, text, _ in saved(path, write) if kind == "table"] == [
        "n | square\n1 | 1\n2 | 4",
        "n | square\n3 | 9\n4 | 16",
    ]


def test_merged_and_missing_cells_keep_their_columns(path: Path) -> None:
    def write(book: Workbook) -> None:
        sheet = book.add_worksheet("S")
        sheet.write_row(0, 0, ["region", "town", "people"])
        sheet.merge_range(1, 0, 2, 0, "North")
        sheet.write_row(1, 1, ["a", 1])
        sheet.write(2, 2, 2)

    assert saved(path, write)[1][1] == "region | town | people\nNorth | a | 1\n |  | 2"


def test_hidden_sheets_comments_text_boxes_and_charts_are_read(path: Path) -> None:
    def write(book: Workbook) -> None:
        sheet = book.add_worksheet("Seen")
        sheet.write_row(0, 0, ["cell", "of a row"])
        sheet.write_comment(0, 0, "A comment", {"author": ""})
        sheet.insert_textbox(3, 3, "A box of text")
        chart = book.add_chart({"type": "column"})
        chart.add_series({"values": "=Seen!$A$1:$A$1", "name": "A series"})
        chart.set_title({"name": "A chart"})
        sheet.insert_chart(9, 3, chart)
        hidden = book.add_worksheet("Hidden")
        hidden.write(0, 0, "Behind")
        hidden.hide()

    texts = [text for _, text, _ in saved(path, write)]
    assert texts[:2] == ["Seen", "cell | of a row"]
    assert {"A comment", "A box of text", "A chart", "Behind"} <= set(texts)


def test_an_empty_sheet_is_told(path: Path) -> None:
    def write(book: Workbook) -> None:
        book.add_worksheet("Full").write(0, 0, "text")
        book.add_worksheet("Empty")

    saved(path, write)
    (warning,) = read(path).warnings
    assert (warning.code, warning.page) == ("page_without_text", 2)
    assert "Empty" in warning.detail


def test_strings_in_every_form(path: Path) -> None:
    strings = (
        "<si><t>plain</t></si><si><r><t>rich </t></r><r><t>text</t></r><rPh><t>guide</t></rPh></si>"
    )
    rows = (
        '<row><c t="s"><v>0</v></c><c t="s"><v>1</v></c><c t="s"><v>99</v></c>'
        '<c t="inlineStr"><is><t>in line</t></is></c><c t="e"><v>#DIV/0!</v></c>'
        '<c t="d"><v>2020-03-05</v></c><c s="9"><v>5</v></c></row>'
    )
    assert raw(path, rows, strings).elements[1].text == (
        "plain | rich text | in line | #DIV/0! | 2020-03-05 | 5"
    )


def test_a_sheet_that_repeats_one_text_too_often_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "FREE_CHARS", 10_000)
    rows = '<row><c t="s"><v>0</v></c></row>' * 1000
    with pytest.raises(FileTooLarge):
        raw(path, rows, f"<si><t>{'long ' * 100}</t></si>")


def test_a_missing_sheet_and_broken_xml(path: Path) -> None:
    with pytest.raises(FileCorrupt):
        raw(path, "<row><c>")
    write_zip(path, {"[Content_Types].xml": "<Types/>", "xl/styles.xml": "<x/>"})
    with pytest.raises(FileCorrupt, match=r"workbook\.xml"):
        read(path)


def test_external_entities_are_not_followed(path: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    raw(path, "")
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/worksheets/sheet1.xml"] = (
        f'<!DOCTYPE d [<!ENTITY x SYSTEM "file://{secret}">]><worksheet {MAIN}><sheetData><row>'
        '<c t="inlineStr"><is><t>seen &x;</t></is></c></row></sheetData></worksheet>'
    ).encode()
    write_zip(path, parts)
    assert [one.text for one in read(path).elements] == ["S", "seen"]


def test_titles_alone_have_levels(path: Path) -> None:
    saved(path, lambda book: book.add_worksheet("S").write(0, 0, "text"))
    title, line = read(path).elements
    assert (title.kind, title.level) == (ElementKind.TITLE, 1)
    assert line.level is None
