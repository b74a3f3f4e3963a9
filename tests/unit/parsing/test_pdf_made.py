"""PDF files made as people make them: columns, tables over pages, forms, notes, running heads."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fpdf import FPDF

from services.ingest_worker.parsing.base import Source
from services.ingest_worker.parsing.registry import Parsers
from shared.models import Element, ElementKind

WORDS = "It was the best of times and it was the worst of times for all who lived there then. "
HEADER = ("Part", "Stock", "Price")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "blob"


def made(path: Path, write: Callable[[FPDF], object]) -> list[Element]:
    document = FPDF(format="A4", unit="pt")
    document.set_font("helvetica", size=11)
    write(document)
    document.output(str(path))
    return read(path)


def read(path: Path, pages: range | None = None) -> list[Element]:
    return Parsers().parse(Source(path, "a.pdf"), pages).elements


def tables(elements: list[Element]) -> list[Element]:
    return [one for one in elements if one.kind is ElementKind.TABLE]


def rows(count: int, first: int = 0) -> list[tuple[str, str, str]]:
    return [(f"Bolt no. {at}", str(7 * at), f"{at}.50") for at in range(first, first + count)]


def column(document: FPDF, x: float, mark: str) -> None:
    for at in range(12):
        document.text(x, 150 + 14 * at, f"{mark}{at:02} and some more words of it")


def test_two_columns_are_read_one_after_the_other(path: Path) -> None:
    def write(document: FPDF) -> None:
        document.add_page()
        document.set_font_size(20)
        document.text(40, 100, "A title over both of the columns here")
        document.set_font_size(11)
        column(document, 40, "left")
        column(document, 320, "right")

    found = " ".join(one.text for one in made(path, write))
    assert found.index("title") < found.index("left00")
    assert found.index("left11") < found.index("right00")


def test_two_columns_drawn_line_by_line_are_read_one_after_the_other(path: Path) -> None:
    def write(document: FPDF) -> None:
        document.add_page()
        document.text(
            40, 100, "A line that goes over both of the columns and says what they are of"
        )
        for at in range(12):
            document.text(40, 150 + 14 * at, f"left{at:02} and some more words of it")
            document.text(320, 150 + 14 * at, f"and right{at:02} has more words of it")

    found = " ".join(one.text for one in made(path, write))
    assert found.index("over both") < found.index("left00")
    assert found.index("left11") < found.index("right00")


def draw_table(document: FPDF, data: list[tuple[str, str, str]], *, repeat: bool = True) -> None:
    with document.table(
        [HEADER, *data], repeat_headings=1 if repeat else 0, line_height=18
    ) as _table:
        pass


@pytest.mark.parametrize("repeat", [True, False])
def test_a_ruled_table_over_pages_has_its_header_on_each(path: Path, *, repeat: bool) -> None:
    def write(document: FPDF) -> None:
        document.add_page()
        draw_table(document, rows(100), repeat=repeat)

    found = tables(made(path, write))
    assert [one.page for one in found] == [1, 2, 3]
    assert all(one.text.startswith("Part | Stock | Price\n") for one in found)
    body = [row for one in found for row in one.text.splitlines()[1:]]
    assert body == [" | ".join(row) for row in rows(100)]
    later = tables(read(path, range(3, 4)))  # A window of its own sees the same.
    assert later == found[2:]


def test_a_table_without_rules_is_told_by_its_columns(path: Path) -> None:
    def write(document: FPDF) -> None:
        document.add_page()
        document.multi_cell(0, text=WORDS * 3, new_x="LMARGIN", new_y="NEXT")
        document.ln(20)
        for row in [HEADER, *rows(9)]:
            for at, cell in enumerate(row):
                document.cell(120, 16, cell, align="L" if at == 0 else "R")
            document.ln(16)

    before, table = made(path, write)
    assert before.kind is ElementKind.PARAGRAPH
    assert table.text.splitlines() == [" | ".join(row) for row in [HEADER, *rows(9)]]


def test_cells_of_several_lines_are_one_cell_each(path: Path) -> None:
    data = [("One", WORDS.strip(), "1"), ("Two", WORDS.strip(), "2")]

    def write(document: FPDF) -> None:
        document.add_page()
        draw_table(document, data)

    (found,) = tables(made(path, write))
    assert found.text.splitlines() == [" | ".join(row) for row in [HEADER, *data]]


def test_running_heads_and_feet_are_found_where_they_first_appear(path: Path) -> None:
    def write(document: FPDF) -> None:
        document.set_auto_page_break(auto=False)
        for page in range(1, 11):
            document.add_page()
            document.text(40, 30, f"Annual report of the company, page {page}")
            for at in range(10):
                document.text(
                    40, 150 + 40 * at, f"Sentence {at} of page {page}, 2 March {1900 + at}."
                )
            document.text(40, 820, "Confidential")

    found = made(path, write)
    heads = [one.page for one in found if "Annual report" in one.text]
    feet = [one.page for one in found if "Confidential" in one.text]
    assert heads == feet == [1, 2, 3]
    assert sum(one.text.count("Sentence") for one in found) == 100
    assert [one for one in found if one.page > 8] == read(path, range(9, 11))


def test_pages_that_differ_in_their_first_line_alone_keep_it(path: Path) -> None:
    def write(document: FPDF) -> None:
        for page in range(1, 9):
            document.add_page()
            document.text(40, 30, f"Certificate number {70 + page}")
            document.text(40, 60, "issued to its owner")

    found = made(path, write)
    assert sum(one.text.count("Certificate") for one in found) == 8


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_a_table_that_lies_on_its_side_is_read_as_one(path: Path, angle: int) -> None:
    def write(document: FPDF) -> None:
        document.add_page()
        with document.rotation(angle, 297, 421):
            document.set_xy(200, 300)
            for row in [HEADER, *rows(4)]:
                document.set_x(200)
                for cell in row:
                    document.cell(80, 16, cell, border=1)
                document.ln(16)

    (found,) = made(path, write)
    assert found.kind is ElementKind.TABLE
    assert found.text.splitlines() == [" | ".join(row) for row in [HEADER, *rows(4)]]
    assert found.box is not None
    wide, high = found.box.x1 - found.box.x0, found.box.y1 - found.box.y0
    assert (wide > high) == (angle == 180)
    assert 0 <= found.box.x0 < found.box.x1 <= 596


def test_notes_and_free_text_are_found_and_links_are_not(path: Path) -> None:
    def write(document: FPDF) -> None:
        document.add_page()
        document.text(40, 100, "Printed words.")
        document.text_annotation(40, 200, "A note that somebody left.")
        document.free_text_annotation("Typed onto the page.", x=40, y=300, w=200, h=20)
        document.link(40, 400, 50, 20, "https://example.org/never")

    found = made(path, write)
    assert [one.text for one in found] == [
        "Printed words.",
        "Typed onto the page.",
        "A note that somebody left.",
    ]
    assert all(one.box is not None and one.box.x0 >= 39 for one in found)


def with_objects(path: Path, *objects: bytes) -> list[Element]:
    body = b"%PDF-1.7\n" + b"".join(
        b"%d 0 obj\n%s\nendobj\n" % (number, content) for number, content in enumerate(objects, 1)
    )
    path.write_bytes(body + b"trailer<</Root 1 0 R>>")
    return read(path)


def stream(content: bytes) -> bytes:
    return b"<</Length %d>>stream\n%s\nendstream" % (len(content), content)


FONT = b"<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>"


def test_what_was_filled_into_a_form_stands_beside_its_label(path: Path) -> None:
    found = with_objects(
        path,
        b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[5 0 R 6 0 R 7 0 R]>>>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Annots[5 0 R 6 0 R 7 0 R]"
        b"/Resources%s>>" % FONT,
        stream(
            b"BT /F1 12 Tf 72 700 Td (Name) Tj 0 -40 Td (Married) Tj 0 -40 Td (Sign below.) Tj ET"
        ),
        b"<</Type/Annot/Subtype/Widget/FT/Tx/T(name)/V(Ada Lovelace)/Rect[150 695 300 712]"
        b"/P 3 0 R>>",
        b"<</Type/Annot/Subtype/Widget/FT/Btn/T(married)/V/Yes/AS/Yes/Rect[150 655 165 672]/P 3 0 R"
        b"/AP<</N<</Yes 8 0 R/Off 8 0 R>>>>>>",
        b"<</Type/Annot/Subtype/Widget/FT/Tx/T(hidden)/V(never seen)/F 2/Rect[150 600 300 612]"
        b"/P 3 0 R>>",
        b"<</Type/XObject/Subtype/Form/BBox[0 0 10 10]/Length 0>>stream\n\nendstream",
    )
    assert " ".join(one.text for one in found) == "Name Ada Lovelace Married [x] Sign below."


def test_ligatures_are_spelt_out(path: Path) -> None:
    to_unicode = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapType 2 def\n"
        b"1 begincodespacerange <00> <FF> endcodespacerange\n"
        b"2 beginbfchar <41> <FB01> <42> <0062> endbfchar endcmap end end"
    )
    (found,) = with_objects(
        path,
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R"
        b"/Resources<</Font<</F1 5 0 R>>>>>>",
        stream(b"BT /F1 12 Tf 72 700 Td (AB) Tj ET"),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 6 0 R>>",
        stream(to_unicode),
    )
    assert found.text == "fib"


def test_a_page_that_is_damaged_is_a_warning_and_the_others_are_read(path: Path) -> None:
    found = with_objects(
        path,
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R 9 0 R]/Count 2>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources%s>>" % FONT,
        stream(b"BT /F1 12 Tf 72 700 Td (Whole) Tj ET"),
    )
    assert [one.text for one in found] == ["Whole"]
    warnings = Parsers().parse(Source(path, "a.pdf"), None).warnings
    assert [(one.code, one.page) for one in warnings] == [("page_unreadable", 2)]
