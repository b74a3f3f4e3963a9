"""Lines of a picture that come without order: columns first, rows inside, paragraphs by gaps.

A recursive cut along white bands, as in Nagy and Seth, "Hierarchical representation of optically
scanned documents" (1984); upright pages and those on their side alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from services.ingest_worker.parsing.ocr.base import OcrLine

Corners = Sequence[tuple[float, float]]
# White between columns is wider, between paragraphs higher, than so many lines' heights.
COLUMN_GAP, PARAGRAPH_GAP = 1.0, 0.8
# Lines above one another share a paragraph only if they are about as high.
SAME_HEIGHT = 0.35
# Columns of text have lines longer than this; what is shorter are the cells of a table.
CELL_CHARS = 24


@dataclass(frozen=True, slots=True)
class _Found:
    """A line as it is read: `left` to `right` along it, `top` to `bottom` across."""

    text: str
    corners: Corners
    score: float
    left: float
    top: float
    right: float
    bottom: float

    @property
    def height(self) -> float:
        return self.bottom - self.top


def in_reading_order(lines: Sequence[tuple[str, Corners, float]]) -> list[OcrLine]:
    """Return lines in reading order, their paragraphs numbered.

    Args:
        lines: text, four corners (x, y) clockwise from the text's own top left or from the
            picture's, and confidence from 0 to 1.
    """
    found = _turned(lines)
    if not found:
        return []
    height = median(line.height for line in found)
    ordered, made, block = _cut(found, height), [], 0
    for number, line in enumerate(ordered):
        if number and not _continues(ordered[number - 1], line, height):
            block += 1
        made.append(_line(line, block))
    return made


def _turned(lines: Sequence[tuple[str, Corners, float]]) -> list[_Found]:
    """Turn the page so that its lines lie: most of a page on its side stand."""
    standing = sum(len(text) for text, corners, _ in lines if _stands(corners))
    aside = 2 * standing > sum(len(text) for text, _, _ in lines)
    found = []
    for text, corners, score in lines:
        x0, y0, x1, y1 = _span(corners)
        left, top, right, bottom = (-y1, x0, -y0, x1) if aside else (x0, y0, x1, y1)
        found.append(_Found(text, corners, score, left, top, right, bottom))
    return found


def _cut(lines: list[_Found], height: float) -> list[_Found]:
    """Order lines: cut at the widest white band, across before down, until none is left."""
    if len(lines) <= 1:
        return lines
    rows = _bands([(line.top, line.bottom, line) for line in lines], 0.0)
    if len(rows) == 1:
        columns = _bands([(line.left, line.right, line) for line in lines], COLUMN_GAP * height)
        if len(columns) > 1:
            return [line for column in columns for line in _cut(column, height)]
        return sorted(lines, key=lambda line: (round(line.top / height), line.left))
    return [line for row in _joined_rows(rows, height) for line in row]


def _joined_rows(rows: list[list[_Found]], height: float) -> list[list[_Found]]:
    """Keep rows that show the same columns together: those are read column by column."""
    runs: list[list[list[_Found]]] = []
    for row in rows:
        if runs and len(row) > 1 and len(_columns([*runs[-1], row], height)) > 1:
            runs[-1].append(row)
        else:
            runs.append([row])
    return [_run(run, height) for run in runs]


def _columns(rows: list[list[_Found]], height: float) -> list[list[_Found]]:
    spans = [(line.left, line.right, line) for row in rows for line in row]
    return _bands(spans, COLUMN_GAP * height)


def _run(rows: list[list[_Found]], height: float) -> list[_Found]:
    columns = _columns(rows, height)
    chars = [len(line.text) for row in rows for line in row]
    if len(columns) == 1 or len(rows) == 1 or median(chars) <= CELL_CHARS:
        return [line for row in rows for line in sorted(row, key=lambda one: one.left)]
    return [line for column in columns for line in sorted(column, key=lambda one: one.top)]


def _bands(spans: list[tuple[float, float, _Found]], gap: float) -> list[list[_Found]]:
    """Part lines by the white between their spans along one axis."""
    bands: list[list[_Found]] = []
    reached = float("-inf")
    for start, end, line in sorted(spans, key=lambda span: span[:2]):
        if start > reached + gap:
            bands.append([])
        bands[-1].append(line)
        reached = max(reached, end)
    return bands


def _continues(above: _Found, line: _Found, height: float) -> bool:
    if abs(above.height - line.height) > SAME_HEIGHT * max(above.height, line.height):
        return False
    if not -height < line.top - above.bottom <= PARAGRAPH_GAP * height:
        return False
    return line.left < above.right and line.right > above.left


def _line(line: _Found, block: int) -> OcrLine:
    return OcrLine(line.text, *_span(line.corners), 100.0 * line.score, block)


def _span(corners: Corners) -> tuple[float, float, float, float]:
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return min(xs), min(ys), max(xs), max(ys)


def _stands(corners: Corners) -> bool:
    x0, y0, x1, y1 = _span(corners)
    return y1 - y0 > x1 - x0
