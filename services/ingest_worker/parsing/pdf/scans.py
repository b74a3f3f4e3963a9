"""PDF pages whose text layer is missing or garbage: told by a measured rule, read by an engine.

A rule that says garbage of good text costs time only: the text layer is kept unless the engine
read writing where it has none.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

import pypdfium2  # type: ignore[import-untyped]
from PIL import Image
from pypdfium2 import raw

from services.ingest_worker.parsing.base import OcrOrder
from services.ingest_worker.parsing.memory import no_bomb
from services.ingest_worker.parsing.ocr.base import Picture
from services.ingest_worker.parsing.ocr.engines import PictureReader, PictureText
from services.ingest_worker.parsing.ocr.pictures import picture_of
from services.ingest_worker.parsing.pdf.handles import loaded_page, loaded_text
from shared.models import Element, JobWarning

# Engines read 200 dpi as well as 300 (measured on scans of several kinds), in half the time.
DPI = 200
LONGEST = 4000
POINTS_PER_INCH = 72
# A page with less text than this, most of it one picture, was scanned and stamped.
STAMP_CHARS, SCAN_SHARE = 80, 0.5
# Fewer signs tell nothing of a text layer.
MIN_SIGNS, MIN_LETTERS = 40, 200
# Shares above or below which a text layer is no text: characters that fonts leave unmapped,
# letters and digits among all signs, vowels among Latin letters (least in any language: 0.3).
UNMAPPED_SHARE, WORDLIKE_SHARE, VOWEL_SHARE = 0.2, 0.25, 0.15
# A scan's pages take seconds each: of a document with many, parts are short.
SAMPLES, SCANNED_SHARE, SCANNED_RUN, PART_PAGES = 64, 0.4, 20, 10

_RUN = re.compile(r"([^\w\s])(?:\s*\1)+")
_LATIN = re.compile("[A-Za-z]")
_VOWEL = re.compile("[AEIOUYaeiouy]")


class ScannedPages:
    """Reads the pictures of one part's pages where their text layer will not do."""

    def __init__(self, order: OcrOrder) -> None:
        """Take the order."""
        self._reader = PictureReader(order)

    def supplemented(
        self, document: pypdfium2.PdfDocument, page: int, elements: list[Element]
    ) -> tuple[list[Element], list[JobWarning]]:
        """Return a page's elements, or its picture's where those are none, with what to say."""
        text = "".join(element.text for element in elements)
        garbage = is_garbage(text)
        if text and not garbage and not _is_stamped(document, page, text):
            return elements, []
        read = self._reader.read(lambda: page_picture(document, page), page)
        if not text or _is_better(read, elements, garbage=garbage):
            return read.elements, [read.warning]
        return elements, [_kept(page)] if garbage else []


def is_garbage(text: str) -> bool:
    """Tell whether a text layer is no text: its fonts do not say which characters they show."""
    signs = "".join(text.split())
    if len(signs) < MIN_SIGNS:
        return bool(signs) and _unmapped(signs) > len(signs) / 2
    if _unmapped(signs) > UNMAPPED_SHARE * len(signs):
        return True
    plain = _RUN.sub(r"\1", text)
    wordlike = sum(count for sign, count in Counter(plain).items() if sign.isalnum())
    if wordlike < WORDLIKE_SHARE * len("".join(plain.split())):
        return True
    latin = len(_LATIN.findall(text))
    # Letters moved along the alphabet; a list of codes has more digits than that.
    return latin > max(MIN_LETTERS, 0.7 * wordlike) and (
        len(_VOWEL.findall(text)) < VOWEL_SHARE * latin
    )


def page_picture(document: pypdfium2.PdfDocument, page: int) -> Picture:
    """Return a page as a picture for an engine."""
    image, scale = render(document, page, DPI / POINTS_PER_INCH, LONGEST)
    return picture_of(image, 1 / scale)


def render(
    document: pypdfium2.PdfDocument, page: int, scale: float, longest: int
) -> tuple[Image.Image, float]:
    """Draw a page (from 1), no longer than `longest`.

    Returns:
        The page in colour, and the scale that was used: its pixels to a point.
    """
    drawn = document[page - 1]
    try:
        scale = min(scale, longest / max(*drawn.get_size(), 1.0))
        bitmap = drawn.render(scale=scale, rev_byteorder=True)
        image: Image.Image = bitmap.to_pil().convert("RGB")
        bitmap.close()
    finally:
        drawn.close()
    return image, scale


def part_pages(document: pypdfium2.PdfDocument) -> int | None:
    """Return how many pages a part should have at most, told by a sample of pages; None: as ever.

    Counting a page's characters takes a millisecond.
    """
    count = len(document)
    step = max(1, count // SAMPLES)
    lacking = [_chars(document, page) == 0 for page in range(0, count, step)]
    run = (_longest_run(lacking) - 1) * step + 1
    if sum(lacking) > SCANNED_SHARE * len(lacking) or run > SCANNED_RUN:
        return PART_PAGES
    return None


def _longest_run(flags: Sequence[bool]) -> int:
    longest = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        longest = max(longest, run)
    return longest


def _chars(document: pypdfium2.PdfDocument, index: int) -> int:
    page = index + 1
    with no_bomb(page), loaded_page(document, page) as handle, loaded_text(handle) as text:
        count = raw.FPDFText_CountChars(text) if text else 0
    return max(0, int(count))


def _unmapped(signs: str) -> int:
    counts = Counter(signs)
    return sum(counts[one] for one in counts if _is_unmapped(one))


def _is_unmapped(sign: str) -> bool:
    return sign == "\ufffd" or unicodedata.category(sign) in {"Co", "Cc", "Cn"}


def _is_stamped(document: pypdfium2.PdfDocument, page: int, text: str) -> bool:
    """Tell a scanned page that got a number or a stamp as text."""
    if len(text) > STAMP_CHARS:
        return False
    shown = document[page - 1]
    try:
        width, height = shown.get_size()
        pictures = shown.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=2)
        areas = ((right - left) * (top - bottom) for left, bottom, right, top in _bounds(pictures))
        return bool(max(areas, default=0.0) > SCAN_SHARE * width * height)
    finally:
        shown.close()


def _bounds(pictures: Sequence[pypdfium2.PdfObject]) -> list[tuple[float, float, float, float]]:
    return [picture.get_bounds() for picture in pictures]


def _is_better(read: PictureText, elements: Sequence[Element], *, garbage: bool) -> bool:
    """Tell whether the picture gave writing, and no less of it than the text layer."""
    found = "".join(element.text for element in read.elements)
    if not found or is_garbage(found):
        return False
    return garbage or len(found) > sum(len(element.text) for element in elements)


def _kept(page: int) -> JobWarning:
    detail = "The page's text layer may not be what it shows; its picture gave nothing better."
    return JobWarning(code="page_unreadable", detail=detail, page=page)
