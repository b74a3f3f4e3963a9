"""PDF files made with fpdf2, and by hand where it cannot."""

import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from fpdf import FPDF
from fpdf.enums import AccessPermission, EncryptionMethod

from services.ingest_worker.parsing import memory
from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.pdf.parser import PdfParser
from services.ingest_worker.parsing.registry import Parsers
from shared.errors import FileCorrupt, FileEncrypted, FileTooLarge
from shared.models import ElementKind

WORDS = "The quick brown fox jumps over the lazy dog and runs away from it. "


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "blob"


def written(path: Path, write: Callable[[FPDF], object]) -> Path:
    document = FPDF(format="A4", unit="pt")
    document.set_font("helvetica", size=11)
    write(document)
    document.output(str(path))
    return path


def read(path: Path, pages: range | None = None, password: str | None = None) -> Parsed:
    return Parsers().parse(Source(path, "a.pdf", password=password), pages)


def paragraphs(document: FPDF, count: int) -> None:
    for _ in range(count):
        document.multi_cell(0, text=WORDS * 4, new_x="LMARGIN", new_y="NEXT")
        document.ln(14)


def test_paragraphs_have_their_text_page_and_box(path: Path) -> None:
    def write(document: FPDF) -> None:
        for _ in range(2):
            document.add_page()
            paragraphs(document, 2)

    found = read(written(path, write)).elements
    assert [one.page for one in found] == [1, 1, 2, 2]
    assert all(one.text == (WORDS * 4).strip() for one in found)
    first, second = found[0].box, found[1].box
    assert first is not None
    assert second is not None
    assert first.page == 1
    assert (round(first.x0), round(first.y0)) == (31, 27)
    assert 500 < first.x1 < 595
    assert first.y1 < second.y0


def test_windows_of_pages_make_up_the_whole(path: Path) -> None:
    def write(document: FPDF) -> None:
        for page in range(7):
            document.add_page()
            document.cell(text=f"This is page {page + 1} of it.")

    parsers, source = Parsers(), Source(written(path, write), "a.pdf")
    assert parsers.plan(source).pages == 7
    whole = parsers.parse(source, None)
    parts = [parsers.parse(source, range(first, first + 3)) for first in (1, 4, 7)]
    assert [part.pages for part in parts] == [3, 3, 1]
    assert [one for part in parts for one in part.elements] == whole.elements
    assert parsers.parse(source, range(8, 11)).pages == 0


def test_large_lines_are_titles_by_their_size(path: Path) -> None:
    def write(document: FPDF) -> None:
        document.add_page()
        for size, text in ((24, "The book"), (17, "A chapter"), (14, "A section")):
            document.set_font("helvetica", size=size)
            document.cell(text=text, new_x="LMARGIN", new_y="NEXT")
            document.set_font("helvetica", size=11)
            paragraphs(document, 2)

    titles = [one for one in read(written(path, write)).elements if one.level]
    assert [(one.kind, one.level, one.text) for one in titles] == [
        (ElementKind.TITLE, 1, "The book"),
        (ElementKind.TITLE, 2, "A chapter"),
        (ElementKind.TITLE, 3, "A section"),
    ]


def test_the_outline_tells_titles_where_there_is_one(path: Path) -> None:
    def write(document: FPDF) -> None:
        for number, (name, level) in enumerate((("Start", 0), ("Middle", 1), ("End", 0))):
            document.add_page()
            document.start_section(name, level=level)
            document.cell(text=f"{number + 1}. {name}", new_x="LMARGIN", new_y="NEXT")
            document.ln(20)
            paragraphs(document, 1)

    titles = [one for one in read(written(path, write)).elements if one.level]
    assert [(one.text, one.level, one.page) for one in titles] == [
        ("1. Start", 1, 1),
        ("2. Middle", 2, 2),
        ("3. End", 1, 3),
    ]


def test_hyphenated_line_ends_are_joined(path: Path) -> None:
    def write(document: FPDF) -> None:
        document.add_page()
        for line in ("A sentence about the extraor-", "dinary thing that was seen", "today."):
            document.cell(text=line, new_x="LMARGIN", new_y="NEXT")

    (found,) = read(written(path, write)).elements
    assert "extraordinary thing" in " ".join(found.text.split())


def test_the_page_number_is_left_out(path: Path) -> None:
    def write(document: FPDF) -> None:
        document.set_auto_page_break(auto=False)
        for page in range(3):
            document.add_page()
            paragraphs(document, 2)
            document.set_y(-60)
            document.cell(text=f"- {page + 1} -", center=True)

    assert all("fox" in one.text for one in read(written(path, write)).elements)


def test_a_page_without_text_is_a_warning(path: Path) -> None:
    def write(document: FPDF) -> None:
        document.add_page()
        document.cell(text="Words.")
        document.add_page()

    parsed = read(written(path, write))
    assert len(parsed.elements) == 1
    assert [(one.code, one.page) for one in parsed.warnings] == [("page_without_text", 2)]


@pytest.mark.parametrize(
    ("turn", "expected"), [(90, (700, 50)), (180, (500, 700)), (270, (50, 500))]
)
def test_boxes_are_where_a_reader_sees_them(
    path: Path, turn: int, expected: tuple[int, int]
) -> None:
    """The same drawing on a turned page: /Rotate moves the box with it."""

    def write(document: FPDF) -> None:
        document.add_page()
        document.text(50, 90, "Corner")

    written(path, write)
    content = path.read_bytes().replace(b"/Type /Page\n", b"/Type /Page\n/Rotate %d\n" % turn)
    path.write_bytes(content)
    (found,) = read(path).elements
    assert found.box is not None
    assert found.text == "Corner"
    wide, high = (842, 595) if turn % 180 else (595, 842)
    assert 0 <= found.box.x0 < found.box.x1 <= wide
    assert 0 <= found.box.y0 < found.box.y1 <= high
    x, y = expected
    assert abs((found.box.x0 + found.box.x1) / 2 - x) < 70
    assert abs((found.box.y0 + found.box.y1) / 2 - y) < 90


def encrypted(path: Path, user: str) -> Path:
    def write(document: FPDF) -> None:
        document.add_page()
        document.cell(text="Secret words.")
        document.set_encryption(
            owner_password="owner",  # noqa: S106
            user_password=user,
            encryption_method=EncryptionMethod.RC4,
            permissions=AccessPermission.none(),
        )

    return written(path, write)


def test_a_protected_file_needs_its_password(path: Path) -> None:
    encrypted(path, "open")
    with pytest.raises(FileEncrypted, match="not given"):
        read(path)
    with pytest.raises(FileEncrypted, match="does not open"):
        read(path, password="wrong")  # noqa: S106
    assert read(path, password="open").elements[0].text == "Secret words."  # noqa: S106


def test_a_file_that_forbids_copying_alone_is_read(path: Path) -> None:
    assert read(encrypted(path, "")).elements[0].text == "Secret words."


def test_a_page_that_is_a_bomb_is_too_large_every_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MAX_PAGE_BYTES", 20_000_000)
    # So much that it cannot hide in what this process has freed before.
    content = zlib.compress(b" " * 400_000_000, 1)
    head = (
        b"%PDF-1.7\n1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj\n"
        b"2 0 obj <</Type/Pages/Kids[3 0 R]/Count 1>> endobj\n"
        b"3 0 obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R>> endobj\n"
    )
    stream = b"4 0 obj <</Filter/FlateDecode/Length %d>>stream\n" % len(content)
    tail = b"\nendstream endobj\ntrailer<</Root 1 0 R>>"
    path.write_bytes(head + stream + content + tail)
    for _ in range(2):  # The first one's peak must not hide the second's.
        with pytest.raises(FileTooLarge, match="Page 1 unpacks") as raised:
            read(path)
        assert raised.value.page == 1
    with pytest.raises(FileTooLarge, match="Page 1 unpacks"):  # Nor is it one without text.
        PdfParser().part_pages(Source(path, "a.pdf"))


def test_damaged_files_are_corrupt(path: Path) -> None:
    path.write_bytes(b"%PDF-1.7\nthis is no PDF at all")
    with pytest.raises(FileCorrupt, match="cannot be opened"):
        read(path)


def test_characters_past_the_basic_plane_do_not_shift_the_boxes(path: Path) -> None:
    to_unicode = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapType 2 def\n"
        b"1 begincodespacerange <00> <FF> endcodespacerange\n"
        b"2 beginbfchar <41> <D83DDE00> <42> <0042> endbfchar endcmap end end"
    )
    stream = b"BT /F1 12 Tf 72 700 Td (AAAB) Tj 0 -100 Td (BBB) Tj ET"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources 7 0 R>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 6 0 R>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(to_unicode), to_unicode),
        b"<</Font<</F1 5 0 R>>>>",
    ]
    body = b"%PDF-1.7\n" + b"".join(
        b"%d 0 obj\n%s\nendobj\n" % (number, content) for number, content in enumerate(objects, 1)
    )
    path.write_bytes(body + b"trailer<</Root 1 0 R>>")
    upper, lower = read(path).elements
    assert (upper.text, lower.text) == ("\U0001f600" * 3 + "B", "BBB")
    assert upper.box is not None
    assert lower.box is not None
    assert abs((lower.box.y0 - upper.box.y0) - 100) < 2
