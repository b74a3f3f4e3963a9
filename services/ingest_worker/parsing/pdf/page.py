"""A page out of pdfium: its lines with boxes, its words where that matters, its drawn rules.

Measured: a call costs 0.4 µs, so a page's text is asked for at once, boxes for the two ends of
each line, and words only where a line is wider than its letters or stands among drawn rules.
"""

import ctypes
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import pypdfium2  # type: ignore[import-untyped]
from pypdfium2 import raw

from services.ingest_worker.parsing.pdf.annotations import attached_names, page_annotations
from services.ingest_worker.parsing.pdf.handles import loaded_page, loaded_text
from services.ingest_worker.parsing.pdf.lines import Line, PageContent, Ruling, Word
from services.ingest_worker.parsing.pdf.rulings import page_rulings
from services.ingest_worker.parsing.pdf.space import Space
from services.ingest_worker.parsing.scrub import scrub

# pdfium closes the gap of a hyphenated line end with one of these.
_HYPHENS = "\ufffe\x02"
_LINES = re.compile(f"[^\r\n{_HYPHENS}]+")
_WORDS = re.compile(r"\S+")
# Letters that are drawn as one are found as what they spell.
_LIGATURES = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
)
# A line this much wider for its letters than its page's usual one, or than text ever is, has a gap
# in it: width a letter as a share of the line's height.
SPARSE, USUAL = 1.12, 0.45
BOLD = 600
# So many upright and level rules make the smallest grid.
GRID_RULES = 3


@dataclass(frozen=True, slots=True)
class _Found:
    """A line in pdfium's text: its words, and the indices of their characters."""

    text: str
    start: int
    hyphenated: bool


def read_page(
    document: pypdfium2.PdfDocument, page: int, forms: raw.FPDF_FORMHANDLE | None = None
) -> PageContent | None:
    """Return what is on a page (from 1); None if it cannot be loaded."""
    with loaded_page(document, page) as handle, loaded_text(handle) as text_page:
        if not handle or not text_page:
            return None
        reader = _Reader(text_page, _space(handle))
        content = reader.content(page_rulings(handle, reader.space))
        content.lines = page_annotations(handle, forms, reader.space, content.lines)
        content.files = attached_names(handle)
        return content


def _space(page: raw.FPDF_PAGE) -> Space:
    box = raw.FS_RECTF()
    raw.FPDF_GetPageBoundingBox(page, box)
    quarter = int(raw.FPDFPage_GetRotation(page)) % 4
    return Space(box.left, box.bottom, box.right, box.top, quarter)


class _Reader:
    """Reads one text page; boxes are as its text runs, whichever way that is."""

    def __init__(self, text_page: raw.FPDF_TEXTPAGE, space: Space) -> None:
        self._page = text_page
        count = raw.FPDFText_CountChars(text_page)
        self._text = _text(text_page, count)
        # Characters without Unicode are in the count and not in the text.
        self._index = _same if len(self._text) == count else _mapped(text_page)
        self._found = list(self._find())
        angles = [self._angle(one) for one in self._found]
        main = _main(angles, self._found)
        self.quarter = (main - space.quarter) % 4
        self.space = space.turned(self.quarter)
        self._place = self.space.place
        self._box = raw.FS_RECTF()
        self.lines = [
            self._line(one, turned=angle != main)
            for one, angle in zip(self._found, angles, strict=True)
        ]

    def content(self, rulings: list[Ruling]) -> PageContent:
        """Return the page, with words where columns may be."""
        ruled = _ruled(rulings)
        usual = min(USUAL, median(map(_spread, self.lines)) if self.lines else USUAL)
        for line, found in zip(self.lines, self._found, strict=True):
            sparse = " " in found.text and _spread(line) > SPARSE * usual
            if not line.turned and (sparse or _within(line, ruled)):
                line.words = self._words(found)
        return PageContent(self.lines, rulings, *self.space.size, self.quarter)

    def _find(self) -> Iterator[_Found]:
        text = self._text
        for found in _LINES.finditer(text):
            words = found[0].strip()
            if words:
                start = found.start() + found[0].index(words[0])
                hyphenated = found.end() < len(text) and text[found.end()] in _HYPHENS
                yield _Found(words, start, hyphenated)

    def _angle(self, found: _Found) -> int:
        """Return by how many quarters a line's page must be turned for it to be read."""
        angle = raw.FPDFText_GetCharAngle(self._page, self._index(found.start))
        return -round(2 * angle / math.pi) % 4 if angle > 0 else 0

    def _line(self, found: _Found, *, turned: bool) -> Line:
        first, last = self._index(found.start), self._index(found.start + len(found.text) - 1)
        one, other = self._char(first), self._char(last)
        high = max(one[3] - one[1], other[3] - other[1])
        wide = max(one[2] - one[0], other[2] - other[0])
        return Line(
            _spelt(found.text),
            min(one[0], other[0]),
            min(one[1], other[1]),
            max(one[2], other[2]),
            max(one[3], other[3]),
            wide if turned else high,
            found.hyphenated,
            bold=raw.FPDFText_GetFontWeight(self._page, first) >= BOLD,
            turned=turned,
        )

    def _char(self, index: int) -> tuple[float, float, float, float]:
        box = self._box
        raw.FPDFText_GetLooseCharBox(self._page, index, box)
        x0, y0 = self._place(box.left, box.top)
        x1, y1 = self._place(box.right, box.bottom)
        return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)

    def _words(self, found: _Found) -> list[Word]:
        """Return a line's words; there are many, so only what is needed of each is asked for."""
        page, box, index, start = self._page, self._box, self._index, found.start
        edges, words = self.space.edges, []
        for one in _WORDS.finditer(found.text):
            raw.FPDFText_GetLooseCharBox(page, index(start + one.start()), box)
            x0, x1 = edges(box.left, box.bottom, box.right, box.top)
            raw.FPDFText_GetLooseCharBox(page, index(start + one.end() - 1), box)
            x2, x3 = edges(box.left, box.bottom, box.right, box.top)
            # Words that are written from the right end at their left.
            words.append(Word(_spelt(one[0]), *((x0, x3) if x0 <= x2 else (x2, x1))))
        return words


def _main(angles: list[int], found: list[_Found]) -> int:
    """Return the way most characters run."""
    counts: Counter[int] = Counter()
    for angle, one in zip(angles, found, strict=True):
        counts[angle] += len(one.text)
    return counts.most_common(1)[0][0] if counts else 0


def _text(text_page: raw.FPDF_TEXTPAGE, count: int) -> str:
    """Return a page's text with one character for each of pdfium's.

    Those are UTF-16 units: what lies past the BMP stays in two halves here.
    """
    buffer = (ctypes.c_ushort * (count + 1))()
    units = max(0, raw.FPDFText_GetText(text_page, 0, count, buffer) - 1)
    text = bytes(buffer)[: 2 * units].decode("utf-16-le", "replace")
    return text if len(text) == units else "".join(map(chr, buffer[:units]))


def _spelt(text: str) -> str:
    return text if text.isascii() else scrub(text).translate(_LIGATURES)


def _spread(line: Line) -> float:
    """Return a line's width for each of its characters, as a share of its height."""
    return (line.x1 - line.x0) / (len(line.text) * (line.height or 1.0))


def _ruled(rulings: list[Ruling]) -> tuple[float, float, float, float] | None:
    """Return the area in which grids may be."""
    upright = sum(one.upright for one in rulings)
    if upright < GRID_RULES - 1 or len(rulings) - upright < GRID_RULES - 1:
        return None
    return (
        min(one.x0 for one in rulings),
        min(one.top for one in rulings),
        max(one.x1 for one in rulings),
        max(one.bottom for one in rulings),
    )


def _within(line: Line, area: tuple[float, float, float, float] | None) -> bool:
    if area is None:
        return False
    x0, top, x1, bottom = area
    return line.bottom > top and line.top < bottom and line.x1 > x0 and line.x0 < x1


def _same(index: int) -> int:
    return index


def _mapped(text_page: raw.FPDF_TEXTPAGE) -> Callable[[int], int]:
    def index(at: int) -> int:
        return max(0, int(raw.FPDFText_GetCharIndexFromTextIndex(text_page, at)))

    return index
