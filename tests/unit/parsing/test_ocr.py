"""Reading pictures: both engines on pictures made here, and what is kept of what they read."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from services.ingest_worker.parsing.base import OcrOrder
from services.ingest_worker.parsing.ocr import engines
from services.ingest_worker.parsing.ocr.base import (
    OcrEngine,
    OcrFailed,
    OcrLine,
    Picture,
    joined,
    ocr_elements,
)
from services.ingest_worker.parsing.ocr.engines import PictureReader, find_engine
from services.ingest_worker.parsing.ocr.layout import in_reading_order
from services.ingest_worker.parsing.ocr.pictures import picture_of
from services.ingest_worker.parsing.ocr.rapid import find_rapidocr
from services.ingest_worker.parsing.ocr.tesseract import TesseractEngine, find_tesseract
from shared.models import ElementKind
from shared.settings_programs import PARSER_PROGRAMS
from tests.support.pictures import TURBINES, noise, writing

ENGINES: dict[str, Callable[[], OcrEngine | None]] = {
    "tesseract": lambda: find_tesseract(PARSER_PROGRAMS),
    "rapidocr": find_rapidocr,
}

LETTER = (
    *TURBINES,
    "The harbour was closed until the ninth",
    "of the month, so that the ships could not",
    "be unloaded and the cranes stood idle.",
    "Three of the crews went home meanwhile,",
    "and those who stayed were paid by the day.",
    "We ask you to take note of this change.",
)


@pytest.fixture(scope="module", params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> OcrEngine:
    found = ENGINES[request.param]()
    if found is None:
        pytest.skip(f"{request.param} is not installed")
    return found


def picture(image: Image.Image, points: float = 0.5) -> Picture:
    return picture_of(image, points)


def line(text: str, confidence: float = 95.0, block: int = 0, top: float = 0.0) -> OcrLine:
    return OcrLine(text, 10.0, top, 110.0, top + 10.0, confidence, block)


def test_an_engine_says_which_it_is(engine: OcrEngine) -> None:
    assert any(engine.name.startswith(name) for name in ENGINES)
    assert any(sign.isdigit() for sign in engine.name)


def test_lines_come_in_order_with_their_places(engine: OcrEngine) -> None:
    lines = engine.read(picture(writing()), None, 60.0)
    assert [one.text for one in lines] == list(TURBINES)
    first, second = lines
    assert 60 < first.x0 < 110
    assert 600 < first.x1 < 900
    assert 60 < first.top < first.bottom <= second.top + 12 < 180
    assert first.confidence > 80


@pytest.mark.parametrize("degrees", [90, 180])
def test_a_page_that_lies_wrong_is_read(engine: OcrEngine, degrees: int) -> None:
    turned = writing(LETTER, size=(1240, 1240), height=40).rotate(degrees)
    text = " ".join(one.text for one in engine.read(picture(turned), None, 60.0))
    assert sum(one in text for one in LETTER) >= len(LETTER) - 1


def test_a_picture_of_nothing_has_no_text(engine: OcrEngine) -> None:
    lines = engine.read(picture(noise()), None, 60.0)
    assert ocr_elements(lines, 1, 1.0) == []


def test_elements_are_paragraphs_in_points() -> None:
    lines = [line("A hyphen-"), line("ated word.", top=12.0), line("Next", block=1, top=40.0)]
    first, second = ocr_elements(lines, 3, 0.5)
    assert (first.text, second.text) == ("A hyphenated word.", "Next")
    assert first.kind is ElementKind.IMAGE_TEXT
    assert first.box is not None
    assert (first.page, first.box.page) == (3, 3)
    assert (first.box.x0, first.box.y0, first.box.x1, first.box.y1) == (5.0, 0.0, 55.0, 11.0)


@pytest.mark.parametrize(
    "lines",
    [
        [line("uncertain words", 40.0)],
        [line("~ = . | __"), line("a")],
        [line("| - ~ . _ ~ - x y .")],
        [],
    ],
)
def test_what_is_no_writing_is_left_out(lines: list[OcrLine]) -> None:
    assert ocr_elements(lines, 1, 1.0) == []


def test_hyphens_of_names_stay() -> None:
    assert joined(["Jean-", "Paul 1990-", "1995"]) == "Jean- Paul 1990- 1995"


def test_tesseract_takes_the_languages_it_has() -> None:
    engine = find_tesseract(PARSER_PROGRAMS)
    if engine is None:
        pytest.skip("tesseract is not installed")
    assert "eng" in engine.languages
    assert "osd" not in engine.languages
    for language in ("en", "eng", "xx+en", "xx", None, "-c evil"):
        assert engine.read(picture(writing()), language, 60.0)


def script(path: Path, body: str) -> TesseractEngine:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return TesseractEngine(path)


def test_a_program_that_fails_or_hangs_is_told(tmp_path: Path) -> None:
    image = picture(writing(size=(200, 100)))
    listing = 'case "$1" in --list-langs) echo list; echo eng; exit;; esac\n'
    failing = script(tmp_path / "failing", f"{listing}echo no such data >&2; exit 3")
    with pytest.raises(OcrFailed, match="exit code 3"):
        failing.read(image, None, 5.0)
    hanging = script(tmp_path / "hanging", f"{listing}exec sleep 60")
    with pytest.raises(OcrFailed, match="longer than"):
        hanging.read(image, None, 0.3)
    with pytest.raises(OcrFailed, match="No such file"):
        TesseractEngine(tmp_path / "none").read(image, None, 5.0)


def test_tesseract_is_what_works_by_that_name_among_the_programs_allowed(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    broken = tmp_path / "broken" / "tesseract"
    script(broken, "exit 1")
    other = tmp_path / "other"
    script(other, "echo list; echo eng")
    assert find_tesseract(()) is None
    assert find_tesseract((broken, other, tmp_path / "none" / "tesseract")) is None
    works = tmp_path / "tesseract"
    script(works, "echo tesseract 9; echo eng")
    engine = find_tesseract((broken, works))
    assert engine is not None
    assert engine.name == "tesseract 9"


def test_off_is_no_engine_and_said() -> None:
    assert find_engine("off", PARSER_PROGRAMS) is None
    read = PictureReader(OcrOrder(engine="off")).read(lambda: picture(writing()), 2)
    assert read.elements == []
    assert (read.warning.code, read.warning.page) == ("page_without_text", 2)
    assert "was not asked for" in read.warning.detail


def test_a_page_that_is_read_says_by_whom() -> None:
    read = PictureReader(OcrOrder()).read(lambda: picture(writing()), 4)
    assert [one.text for one in read.elements] == [" ".join(TURBINES)]
    assert (read.warning.code, read.warning.page) == ("page_ocred", 4)
    assert "was read by" in read.warning.detail


def test_blank_and_wordless_pages_are_told_apart() -> None:
    reader = PictureReader(OcrOrder())
    blank = reader.read(lambda: picture(Image.new("RGB", (300, 200), "ivory")), 1)
    assert blank.warning.detail == "The page is blank."
    wordless = reader.read(lambda: picture(noise()), 1)
    assert wordless.warning.detail == "No text was found in the page's picture."


class Breaking:
    """An engine that fails on every page."""

    name = "breaking 1"

    def read(self, picture: Picture, language: str | None, timeout_s: float) -> list[OcrLine]:
        del picture, language, timeout_s
        raise OcrFailed("It broke.")


def test_a_page_the_engine_fails_on_is_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_engine", lambda *_: Breaking())
    read = PictureReader(OcrOrder()).read(lambda: picture(writing()), 1)
    assert (read.warning.code, read.warning.detail) == ("page_unreadable", "It broke.")


def test_pages_beyond_the_budget_are_told() -> None:
    reader = PictureReader(OcrOrder(budget_s=0.01))
    reader.read(lambda: picture(writing()), 1)
    late = reader.read(lambda: picture(writing()), 2)
    assert late.warning.code == "page_unreadable"
    assert "no time left" in late.warning.detail


Found = tuple[str, list[tuple[float, float]], float]


def found(text: str, x: float, y: float, width: float = 200.0) -> Found:
    return text, [(x, y), (x + width, y), (x + width, y + 20), (x, y + 20)], 0.9


def test_columns_are_read_one_after_the_other() -> None:
    left = [f"a line of the left column, {n}" for n in range(3)]
    right = [f"a line of the right column, {n}" for n in range(3)]
    mixed = [
        one
        for n in range(3)
        for one in (found(right[n], 300, 50 + 25 * n), found(left[n], 0, 50 + 25 * n))
    ]
    lines = in_reading_order([found("a title across the page", 0, 0, 500.0), *mixed])
    assert [one.text for one in lines] == ["a title across the page", *left, *right]
    assert [one.block for one in lines] == [0, 1, 1, 1, 2, 2, 2]


def test_cells_are_read_row_by_row() -> None:
    cells = [
        found(f"{name}{row}", x, 25.0 * row, 60.0)
        for row in range(3)
        for name, x in (("b", 300), ("a", 0))
    ]
    lines = in_reading_order(cells)
    assert [one.text for one in lines] == ["a0", "b0", "a1", "b1", "a2", "b2"]
