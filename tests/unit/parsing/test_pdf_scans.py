"""PDF pages that are pictures: which are read, what a garbage text layer is, how parts are cut."""

from pathlib import Path

import pypdfium2  # type: ignore[import-untyped]
import pytest

from services.ingest_worker.parsing.base import OcrOrder, Parsed, Source
from services.ingest_worker.parsing.pdf.parser import PdfParser
from services.ingest_worker.parsing.pdf.scans import PART_PAGES, is_garbage, part_pages
from shared.models import ElementKind
from tests.support.pictures import TURBINES, noise, scan, writing

PROSE = "It was the best of times, it was the worst of times, it was the age of wisdom. " * 6


def read(path: Path, engine: str = "auto", pages: range | None = None) -> Parsed:
    order = OcrOrder(engine=engine)  # type: ignore[arg-type]
    return PdfParser().parse(Source(path, "a.pdf", ocr=order), pages)


def test_only_pages_without_text_are_read_from_their_picture(tmp_path: Path) -> None:
    path = scan(tmp_path / "blob", [PROSE, writing(), None, noise()])
    parsed = read(path)
    assert [(one.kind, one.page) for one in parsed.elements] == [
        (ElementKind.PARAGRAPH, 1),
        (ElementKind.IMAGE_TEXT, 2),
    ]
    assert parsed.elements[1].text == " ".join(TURBINES)
    assert [(one.code, one.page) for one in parsed.warnings] == [
        ("page_ocred", 2),
        ("page_without_text", 3),
        ("page_without_text", 4),
    ]


def test_boxes_of_what_is_read_are_where_it_stands(tmp_path: Path) -> None:
    (element,) = read(scan(tmp_path / "blob", [writing()])).elements
    box = element.box
    assert box is not None
    # The picture is shown at half a point a pixel; its first line is drawn at (80, 80).
    assert 35 < box.x0 < 50
    assert 38 < box.y0 < 60
    assert box.x1 < 450
    assert box.y1 < 120


def test_without_an_engine_a_scan_says_so(tmp_path: Path) -> None:
    parsed = read(scan(tmp_path / "blob", [writing()]), "off")
    assert parsed.elements == []
    (warning,) = parsed.warnings
    assert warning.code == "page_without_text"
    assert "no text layer" in warning.detail


def test_a_stamped_scan_is_read_whole(tmp_path: Path) -> None:
    path = scan(tmp_path / "blob", [(writing(), "Exhibit 17"), "Exhibit 18"])
    parsed = read(path)
    assert " ".join(TURBINES) in " ".join(one.text for one in parsed.elements)
    assert [(one.code, one.page) for one in parsed.warnings] == [("page_ocred", 1)]
    assert parsed.elements[-1].text == "Exhibit 18"


@pytest.mark.parametrize(
    "text",
    [
        "\ue001\ue002\ue003 \ue004\ue005" * 20,
        "wor\ufffds l\ufffdke th\ufffds\ufffd " * 20,
        "".join(chr(ord(one) - 29) if one.isalpha() else one for one in PROSE),
        "%& '( )* +, -. /: ;< => ?@ " * 10,
        "\ue001\ue002",
    ],
)
def test_garbage_is_told(text: str) -> None:
    assert is_garbage(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        PROSE,
        "Chrząszcz brzmi w trzcinie w Szczebrzeszynie, w szczękach chrząszcza trzeszczy. " * 4,
        "Strč prst skrz krk. " * 4,
        "他说天气很好我们明天去公园。" * 5,
        "Contents . . . . . . . . . . . . . . . . . 1\nPreface ............................ 2\n"
        * 9,
        "12.5 13.7 -0.02 1e-9 100% (3) [4] 2,400.00 $17 " * 9,
        "if (x[i] == 0) { return f(&a, *b); } // done\n" * 9,
        "0xDEADBEEF 3F2504E0-4F89-11D3-9A0C-0305E82C3301 " * 12,
    ],
)
def test_text_is_no_garbage(text: str) -> None:
    assert not is_garbage(text)


def counted(path: Path) -> int | None:
    document = pypdfium2.PdfDocument(path)
    try:
        return part_pages(document)
    finally:
        document.close()


def test_parts_of_scans_are_short(tmp_path: Path) -> None:
    picture = writing(size=(124, 90), height=12)
    assert counted(scan(tmp_path / "a", [picture] * 12)) == PART_PAGES
    assert counted(scan(tmp_path / "b", [PROSE, *[None] * 2, *[PROSE] * 9])) is None
    # One chapter of pictures in a long text.
    assert counted(scan(tmp_path / "c", [*[PROSE] * 60, *[picture] * 25, *[PROSE] * 60])) == 10


def test_a_scan_is_planned_short_only_if_it_is_read(tmp_path: Path) -> None:
    path = scan(tmp_path / "blob", [writing(size=(124, 90), height=12)] * 3)
    assert PdfParser().part_pages(Source(path)) == PART_PAGES
    assert PdfParser().part_pages(Source(path, ocr=OcrOrder(engine="off"))) is None
