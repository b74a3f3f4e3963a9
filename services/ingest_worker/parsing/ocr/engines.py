"""Which OCR engine there is, and reading one part's pictures with it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import monotonic

from services.ingest_worker.parsing.base import OcrChoice, OcrOrder
from services.ingest_worker.parsing.ocr.base import OcrEngine, OcrFailed, Picture, ocr_elements
from services.ingest_worker.parsing.ocr.rapid import find_rapidocr
from services.ingest_worker.parsing.ocr.tesseract import find_tesseract
from shared.models import Element, JobWarning, WarningCode

# A page of small print takes some 8 s at most; what takes this long will not end.
PAGE_S = 45.0
NO_ENGINE = "no OCR engine is installed here."
NOT_WANTED = "reading pictures is switched off or was not asked for."


@cache
def find_engine(choice: OcrChoice, programs: tuple[Path, ...]) -> OcrEngine | None:
    """Return the engine that is asked for: `auto` is Tesseract, else RapidOCR."""
    if choice == "off":
        return None
    found: OcrEngine | None = None
    if choice in {"auto", "tesseract"}:
        found = find_tesseract(programs)
    if found is None and choice in {"auto", "rapidocr"}:
        found = find_rapidocr()
    return found


@dataclass(frozen=True, slots=True)
class PictureText:
    """What a picture came to: its paragraphs, and the warning that says so."""

    elements: list[Element]
    warning: JobWarning


class PictureReader:
    """Reads the pictures of one part, one at a time, for as long as its time lasts."""

    def __init__(self, order: OcrOrder) -> None:
        """Take the order; the clock of its budget runs from here."""
        self._order = order
        self._start = monotonic()
        self._slowest = 0.0

    @property
    def missing(self) -> str | None:
        """Why nothing can be read; None when it can."""
        if self._order.engine == "off":
            return NOT_WANTED
        return None if self._engine else NO_ENGINE

    @property
    def _engine(self) -> OcrEngine | None:
        return find_engine(self._order.engine, self._order.programs)

    def read(self, draw: Callable[[], Picture], page: int) -> PictureText:
        """Read the picture that `draw` makes of a page."""
        engine = self._engine
        if engine is None:
            return _nothing(page, f"The page has no text layer, and {self.missing}")
        left = self._order.budget_s - (monotonic() - self._start)
        if left < self._slowest:
            return _nothing(page, "There was no time left to read the page.", "page_unreadable")
        start = monotonic()
        try:
            return self._read(engine, draw(), page, min(left, PAGE_S))
        except OcrFailed as error:
            return _nothing(page, str(error), "page_unreadable")
        finally:
            self._slowest = max(self._slowest, monotonic() - start)

    def _read(
        self, engine: OcrEngine, picture: Picture, page: int, timeout_s: float
    ) -> PictureText:
        if picture.blank:
            return _nothing(page, "The page is blank.")
        lines = engine.read(picture, self._order.language, timeout_s)
        elements = ocr_elements(lines, page, picture.points)
        if not elements:
            return _nothing(page, "No text was found in the page's picture.")
        told = f"The page is a picture; its text was read by {engine.name}."
        return PictureText(elements, JobWarning(code="page_ocred", detail=told, page=page))


def _nothing(page: int, detail: str, code: WarningCode = "page_without_text") -> PictureText:
    return PictureText([], JobWarning(code=code, detail=detail, page=page))
