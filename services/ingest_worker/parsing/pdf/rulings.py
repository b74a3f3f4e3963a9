"""The straight lines that a PDF page draws, out of pdfium's paths: what tables are ruled by."""

import ctypes
from collections.abc import Iterator

from pypdfium2 import raw  # type: ignore[import-untyped]

from services.ingest_worker.parsing.pdf.lines import Ruling
from services.ingest_worker.parsing.pdf.space import Space

# A map or a chart draws more than a table does; looking at all of it would cost more than it tells.
MAX_OBJECTS = 20_000
MAX_PATHS = 3_000
MAX_SEGMENTS = 400
MAX_RULINGS = 4_000
# A filled bar this thin is a line; one shorter than a cell is an ornament.
THIN, SHORT = 3.0, 5.0
# A rectangle nearly as large as the page is its background.
WHOLE_PAGE = 0.95

Edges = tuple[float, float, float, float]


def page_rulings(page: raw.FPDF_PAGE, space: Space) -> list[Ruling]:
    """Return the page's level and upright lines, edges of rectangles among them."""
    rulings: list[Ruling] = []
    wide, high = space.size
    for edges in _lines(page):
        ruling = Ruling(*space.box(edges))
        across, down = ruling.x1 - ruling.x0, ruling.bottom - ruling.top
        if min(across, down) <= THIN:
            if max(across, down) >= SHORT:
                rulings.append(ruling)
        elif across < WHOLE_PAGE * wide or down < WHOLE_PAGE * high:
            rulings.extend(_sides(ruling))
        if len(rulings) > MAX_RULINGS:
            return []
    return rulings


def _sides(frame: Ruling) -> Iterator[Ruling]:
    x0, top, x1, bottom = frame
    yield Ruling(x0, top, x1, top)
    yield Ruling(x0, bottom, x1, bottom)
    yield Ruling(x0, top, x0, bottom)
    yield Ruling(x1, top, x1, bottom)


def _lines(page: raw.FPDF_PAGE) -> Iterator[Edges]:
    """Yield rectangles and straight lines in PDF space, unless the page is a drawing."""
    get, kind = raw.FPDFPage_GetObject, raw.FPDFPageObj_GetType
    count = raw.FPDFPage_CountObjects(page)
    if count > MAX_OBJECTS:
        return
    objects = (get(page, at) for at in range(count))
    paths = [one for one in objects if kind(one) == raw.FPDF_PAGEOBJ_PATH]
    if len(paths) <= MAX_PATHS:
        for path in paths:
            yield from _path(path)


def _path(path: raw.FPDF_PAGEOBJECT) -> Iterator[Edges]:
    segments = raw.FPDFPath_CountSegments(path)
    bounds = _bounds(path)
    if segments <= 2 or min(bounds[2] - bounds[0], bounds[3] - bounds[1]) <= THIN:  # noqa: PLR2004
        yield bounds
    elif segments <= MAX_SEGMENTS and _drawn(path):
        yield from _subpaths(path, segments)


def _bounds(path: raw.FPDF_PAGEOBJECT) -> Edges:
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    raw.FPDFPageObj_GetBounds(path, left, bottom, right, top)
    return left.value, bottom.value, right.value, top.value


def _drawn(path: raw.FPDF_PAGEOBJECT) -> bool:
    """Tell whether it leaves a mark: a path may only clip what follows."""
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    raw.FPDFPath_GetDrawMode(path, fill, stroke)
    return bool(fill.value or stroke.value)


def _subpaths(path: raw.FPDF_PAGEOBJECT, segments: int) -> Iterator[Edges]:
    """Yield each stroke of a path of many; what has a curve in it is no rule."""
    matrix = raw.FS_MATRIX()
    raw.FPDFPageObj_GetMatrix(path, matrix)
    x, y = ctypes.c_float(), ctypes.c_float()
    above = (0.0, 0.0)
    for at in range(segments):
        segment = raw.FPDFPath_GetPathSegment(path, at)
        kind = raw.FPDFPathSegment_GetType(segment)
        if kind == raw.FPDF_SEGMENT_BEZIERTO:
            return
        raw.FPDFPathSegment_GetPoint(segment, x, y)
        point = (
            matrix.a * x.value + matrix.c * y.value + matrix.e,
            matrix.b * x.value + matrix.d * y.value + matrix.f,
        )
        if kind == raw.FPDF_SEGMENT_LINETO and _straight(above, point):
            yield (*above, *point)
        above = point


def _straight(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return min(abs(one[0] - other[0]), abs(one[1] - other[1])) <= 1
