"""PDF through pdfium: text lines with boxes, page by page; layout is made of them next door.

Measured: asking pdfium for a page's text at once and for the boxes of each line's two ends only
reads 800 to 1,500 pages a CPU-second; a call for every character would read 250.
"""

import ctypes
import hashlib
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pypdfium2  # type: ignore[import-untyped]
from pypdfium2 import raw

from services.ingest_worker.parsing.base import Drawing, Parsed, Source
from services.ingest_worker.parsing.detect import PDF
from services.ingest_worker.parsing.memory import forget_peak, peak_bytes
from services.ingest_worker.parsing.pdf_layout import (
    MIN_OUTLINE,
    Line,
    Profile,
    body_height,
    page_elements,
    plain,
)
from services.ingest_worker.parsing.pdf_scans import ScannedPages, part_pages, render
from services.ingest_worker.parsing.pictures import marked_png
from services.ingest_worker.parsing.scrub import scrub
from shared.errors import FileCorrupt, FileEncrypted, FileTooLarge
from shared.models import Element, JobWarning

# pdfium closes the gap of a hyphenated line end with one of these.
_HYPHENS = "\ufffe\x02"
_LINES = re.compile(f"[^\r\n{_HYPHENS}]+")
MAX_BOOKMARKS = 20_000
SAMPLED_PAGES = 12
REMEMBERED_PROFILES = 4
FINGERPRINT_BYTES = 64 * 1024
# Text of the fullest page there is takes a hundredth; a few hundred bytes may hold a gigabyte.
MAX_PAGE_BYTES = 256 * 1024 * 1024

# Four pixels a point: a small page is not blown up further.
MAX_SCALE = 4.0

Place = Callable[[float, float], tuple[float, float]]


class PdfParser:
    """Reads the text layer of PDF files; of pages without one, their picture."""

    name = f"pdfium/1 {pypdfium2.PDFIUM_INFO.build}"
    media_types = frozenset({PDF})

    def __init__(self) -> None:
        self._profiles: OrderedDict[bytes, Profile] = OrderedDict()

    def plan(self, source: Source) -> int:
        """Count the pages."""
        with _opened(source) as document:
            return len(document)

    def part_pages(self, source: Source) -> int | None:
        """Parts of a scan are short, if its pages are read at all."""
        if source.ocr.engine == "off":
            return None
        with _opened(source) as document:
            return part_pages(document)

    def draw(self, source: Source, drawing: Drawing) -> bytes | None:
        """Return a page as PNG, what is wanted of it marked."""
        with _opened(source) as document:
            if drawing.page > len(document):
                return None
            document.init_forms()
            image, scale = render(document, drawing.page, MAX_SCALE, drawing.longest)
            return marked_png(image, drawing.marks, scale)

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read a window of pages; titles are told by the whole document's profile."""
        with _opened(source) as document:
            window = pages or range(1, len(document) + 1)
            window = range(window.start, min(window.stop, len(document) + 1))
            profile = self._profile(_fingerprint(source.path), document)
            elements: list[Element] = []
            warnings: list[JobWarning] = []
            scans = ScannedPages(source.ocr)
            for page in window:
                lines = _page_lines(document, page)
                if lines is None:
                    warnings.append(_damaged(page))
                    continue
                text = page_elements(lines, page, profile)
                shown, told = scans.supplemented(document, page, text)
                elements.extend(shown)
                warnings.extend(told)
        return Parsed(elements, len(window), warnings)

    def _profile(self, key: bytes, document: pypdfium2.PdfDocument) -> Profile:
        """Return the document's profile: every part of it needs the same one."""
        if key not in self._profiles:
            self._profiles[key] = _read_profile(document)
            if len(self._profiles) > REMEMBERED_PROFILES:
                self._profiles.popitem(last=False)
        return self._profiles[key]


def _fingerprint(path: Path) -> bytes:
    """Return what tells a file from others; each part comes as a new copy of it on disk."""
    with path.open("rb") as file:
        head = file.read(FINGERPRINT_BYTES)
        # A PDF's end holds its file identifier (PDF 1.7, 14.4).
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - FINGERPRINT_BYTES))
        tail = file.read()
    return hashlib.sha256(b"%d " % size + head + tail).digest()


@contextmanager
def _opened(source: Source) -> Iterator[pypdfium2.PdfDocument]:
    forget_peak()
    try:
        document = pypdfium2.PdfDocument(source.path, password=source.password)
    except pypdfium2.PdfiumError as error:
        if error.err_code in {raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY}:
            wrong = "The password that was given does not open this file."
            raise FileEncrypted(wrong if source.password else None) from error
        raise FileCorrupt(f"The PDF cannot be opened: {error}") from error
    try:
        yield document
    finally:
        document.close()


def _damaged(page: int) -> JobWarning:
    return JobWarning(code="page_unreadable", detail="The page is damaged.", page=page)


def _read_profile(document: pypdfium2.PdfDocument) -> Profile:
    count = len(document)
    sampled = range(1, count + 1, max(1, count // SAMPLED_PAGES))
    outline = _read_outline(document)
    if outline:
        return Profile(0.0, outline)
    return Profile(
        body_height(line for page in sampled for line in _page_lines(document, page) or ())
    )


def _read_outline(document: pypdfium2.PdfDocument) -> dict[int, dict[str, int]]:
    """Return the bookmarks' titles by page; nothing if there are too few to mean sections."""
    outline: dict[int, dict[str, int]] = {}
    count = 0
    for bookmark in islice(document.get_toc(max_depth=9), MAX_BOOKMARKS):
        target = bookmark.get_dest()
        page = target.get_index() if target else None
        title = plain(bookmark.get_title())
        if page is not None and title:
            outline.setdefault(page + 1, {}).setdefault(title, bookmark.level + 1)
            count += 1
    return outline if count >= MIN_OUTLINE else {}


def _page_lines(document: pypdfium2.PdfDocument, page: int) -> list[Line] | None:
    """Return the lines of a page in the order it draws them; None if it cannot be loaded.

    Raises:
        FileTooLarge: the page is a bomb; pdfium gives up on it, and it would pass for empty.
    """
    before = peak_bytes()
    lines = _loaded_lines(document, page)
    if peak_bytes() - before > MAX_PAGE_BYTES:
        raise FileTooLarge(f"Page {page} unpacks to more than is allowed.", page=page)
    return lines


def _loaded_lines(document: pypdfium2.PdfDocument, page: int) -> list[Line] | None:
    handle = raw.FPDF_LoadPage(document.raw, page - 1)
    if not handle:
        return None
    try:
        text_page = raw.FPDFText_LoadPage(handle)
        if not text_page:
            return None
        try:
            return _lines(text_page, _placing(handle))
        finally:
            raw.FPDFText_ClosePage(text_page)
    finally:
        raw.FPDF_ClosePage(handle)


def _lines(text_page: raw.FPDF_TEXTPAGE, place: Place) -> list[Line]:
    count = raw.FPDFText_CountChars(text_page)
    text = _text(text_page, count)
    # Characters without Unicode are in the count and not in the text: indices must be mapped.
    index = _same if len(text) == count else _mapped(text_page)
    lines = []
    for found in _LINES.finditer(text):
        words = found[0].strip()
        if words:
            first = found.start() + found[0].index(words[0])
            ends = (index(first), index(first + len(words) - 1))
            hyphenated = found.end() < len(text) and text[found.end()] in _HYPHENS
            lines.append(_line(text_page, scrub(words), ends, place, hyphenated=hyphenated))
    return lines


def _text(text_page: raw.FPDF_TEXTPAGE, count: int) -> str:
    """Return a page's text with one character for each of pdfium's.

    Those are UTF-16 units: what lies past the BMP stays in two halves here.
    """
    buffer = (ctypes.c_ushort * (count + 1))()
    units = max(0, raw.FPDFText_GetText(text_page, 0, count, buffer) - 1)
    text = bytes(buffer)[: 2 * units].decode("utf-16-le", "replace")
    return text if len(text) == units else "".join(map(chr, buffer[:units]))


def _line(
    text_page: raw.FPDF_TEXTPAGE,
    text: str,
    ends: tuple[int, int],
    place: Place,
    *,
    hyphenated: bool,
) -> Line:
    rectangle = raw.FS_RECTF()
    xs, ys, height = [], [], 0.0
    for end in ends:
        raw.FPDFText_GetLooseCharBox(text_page, end, rectangle)
        for corner in ((rectangle.left, rectangle.top), (rectangle.right, rectangle.bottom)):
            x, y = place(*corner)
            xs.append(x)
            ys.append(y)
        height = max(height, abs(ys[-1] - ys[-2]))
    return Line(text, min(xs), min(ys), max(xs), max(ys), height, hyphenated)


def _placing(page: raw.FPDF_PAGE) -> Place:
    """Return the way from PDF space to what a reader sees: top left origin, /Rotate done."""
    box = raw.FS_RECTF()
    raw.FPDF_GetPageBoundingBox(page, box)
    left, bottom, right, top = box.left, box.bottom, box.right, box.top
    turned: tuple[Place, ...] = (
        lambda x, y: (x - left, top - y),
        lambda x, y: (y - bottom, x - left),
        lambda x, y: (right - x, y - bottom),
        lambda x, y: (top - y, right - x),
    )
    return turned[int(raw.FPDFPage_GetRotation(page)) % 4]


def _same(index: int) -> int:
    return index


def _mapped(text_page: raw.FPDF_TEXTPAGE) -> Callable[[int], int]:
    def index(at: int) -> int:
        return max(0, int(raw.FPDFText_GetCharIndexFromTextIndex(text_page, at)))

    return index
