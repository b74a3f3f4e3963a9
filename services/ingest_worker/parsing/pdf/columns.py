"""Tables without rules, told by words that stand in columns row after row as they are drawn."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median

from services.ingest_worker.parsing.pdf.lines import Item, Line, Table, pieces, same_row

MIN_ROWS = 3
# Two rows make a table if they have this many columns.
WIDE_ROW = 4
# Rows of one table are hardly further apart than this, in heights of a line.
MAX_STEP = 2.5
# So many rows with one cell only may stand between rows with several.
MAX_SINGLE = 2
MAX_SINGLE_SHARE = 0.5
# A title over several columns closes the gap between them in a few rows only.
MAX_COVERED = 0.15
# Columns of text side by side: long lines, many of which go on in the middle of a sentence.
PROSE_CHARS, PROSE_SHARE = 25, 0.3
# A gap through all rows parts two columns if it is this wide, in heights of a line; a space is .25.
NARROW_GAP, NARROW_SHARE = 0.36, 0.6
# The last row of a table is as far below the one before as that below its own.
SAME_STEP = 0.1
# A word this near to a column's edge begins there.
EDGE = 1.5
CODE_SHARE = 0.5
_REMARKS = ("#", "//", "/*", "%", ";", "--", "<-")

_PAGE_NUMBER = re.compile(r"\d{1,4}|[ivxlc]{1,7}")

Row = list[Line]


def rows_of(lines: Iterable[Line]) -> list[Row]:
    """Return the lines by rows: what is drawn after another to the side of it is in its row."""
    rows: list[Row] = []
    for line in lines:
        if rows and not line.turned and _beside(rows[-1][-1], line):
            rows[-1].append(line)
        else:
            rows.append([line])
    return rows


def _beside(left: Line, right: Line) -> bool:
    return same_row(left, right) and (right.x0 >= left.x1 or right.x1 <= left.x0)


def tables_among(lines: Sequence[Line]) -> list[Item]:
    """Return the lines with those that make a table replaced by it."""
    items: list[Item] = []
    rows = rows_of(lines)
    at = 0
    while at < len(rows):
        count = _run(rows, at)
        table = _table(rows[at : at + count]) if count > 1 else None
        if table is not None:
            items.append(table)
            at += count
        else:
            step = max(1, count)
            items.extend(line for row in rows[at : at + step] for line in row)
            at += step
    return items


def _run(rows: list[Row], first: int) -> int:
    """Return how many rows from the first on may be one table's."""
    if len(rows[first]) == 1:
        return 1
    end, single = first + 1, 0
    for at in range(first + 1, len(rows)):
        if not _follows(rows[at - 1], rows[at]):
            break
        single = single + 1 if len(rows[at]) == 1 else 0
        if single > MAX_SINGLE:
            break
        if not single:
            end = at + 1
    return end - first + _lone(rows, first, end)


def _lone(rows: list[Row], first: int, end: int) -> bool:
    """Tell whether the row below belongs to a table though it has one cell: by step and width."""
    if end - first < MIN_ROWS or end >= len(rows) or len(rows[end]) > 1:
        return False
    line, cells = rows[end][0], [cell for row in rows[first:end] for cell in row]
    step = rows[end - 1][0].top - rows[end - 2][0].top
    level = abs(line.top - rows[end - 1][0].top - step) <= SAME_STEP * abs(step)
    return level and any(
        abs(line.x0 - cell.x0) <= EDGE and line.x1 <= cell.x1 + line.height for cell in cells
    )


def _follows(above: Row, row: Row) -> bool:
    step = min(line.top for line in row) - min(line.top for line in above)
    return 0 < step <= MAX_STEP * max(line.height for line in above) and not row[0].turned


def _table(rows: list[Row]) -> Table | None:
    several = [row for row in rows if len(row) > 1]
    short = len(several) < MIN_ROWS and (
        len(several) < MIN_ROWS - 1 or min(map(len, several)) < WIDE_ROW
    )
    if short or len(rows) - len(several) > MAX_SINGLE_SHARE * len(rows):
        return None
    columns = [part for column in _columns(several) for part in _narrower(several, column)]
    if len(columns) < 2 or _is_prose(several, columns):  # noqa: PLR2004 - one is no table
        return None
    cells = _cells(rows, columns)
    if _is_contents(cells) or _is_code(cells) or not _aligned(several, columns):
        return None
    lines = [line for row in rows for line in row]
    x0, x1 = min(line.x0 for line in lines), max(line.x1 for line in lines)
    top, bottom = min(line.top for line in lines), max(line.bottom for line in lines)
    return Table(cells, x0, top, x1, bottom, tuple(left for left, _ in columns))


def _columns(rows: list[Row]) -> list[tuple[float, float]]:
    """Return the columns' edges: what most rows leave empty stands between them."""
    return _stretches([line for row in rows for line in row], int(MAX_COVERED * len(rows)))


def _stretches(lines: Iterable[Line], allowed: int) -> list[tuple[float, float]]:
    """Return where more than the allowed number of pieces lie above each other."""
    turns = sorted(turn for line in lines for turn in ((line.x0, 1), (line.x1, -1)))
    columns: list[tuple[float, float]] = []
    depth, start = 0, 0.0
    for x, change in turns:
        before, depth = depth, depth + change
        if before <= allowed < depth:
            start = x
        elif depth <= allowed < before:
            columns.append((start, x))
    return columns


def _narrower(rows: list[Row], column: tuple[float, float]) -> list[tuple[float, float]]:
    """Part a column by a gap hardly wider than a space's, if it goes through every row.

    One that ends at its right edge and the next at its left leave no more between them.
    """
    inside = [
        [part for line in row for part in pieces(line, NARROW_GAP) if _inside(part, column)]
        for row in rows
    ]
    parts = _stretches([part for row in inside for part in row], 0)
    full = sum(len(row) == len(parts) for row in inside)
    return parts if len(parts) > 1 and full >= NARROW_SHARE * len(rows) else [column]


def _inside(line: Line, column: tuple[float, float]) -> bool:
    return column[0] <= (line.x0 + line.x1) / 2 <= column[1]


def _place(line: Line, columns: list[tuple[float, float]]) -> int:
    """Return the column a piece stands in: the one it shares most with, else the nearest."""
    shared = [min(line.x1, right) - max(line.x0, left) for left, right in columns]
    over = [at for at, width in enumerate(shared) if width > 0]
    return over[0] if len(over) > 1 else max(range(len(shared)), key=shared.__getitem__)


def _aligned(rows: list[Row], columns: list[tuple[float, float]]) -> bool:
    """Tell whether hardly two pieces of a row fall into one column."""
    whole = [row for row in rows if len({_place(line, columns) for line in row}) == len(row)]
    return len(whole) >= 0.7 * len(rows)


def _cells(rows: list[Row], columns: list[tuple[float, float]]) -> list[list[str]]:
    """Return the table's rows; a lone piece under a later column goes on from the row above."""
    cells: list[list[str]] = []
    for whole in rows:
        row = [part for line in whole for part in _at_edges(line, columns)]
        places = [_place(line, columns) for line in row]
        if not (cells and len(row) == 1 and places[0]):
            cells.append([""] * len(columns))
        for line, place in zip(row, places, strict=True):
            cells[-1][place] = f"{cells[-1][place]} {line.text}".strip()
    return cells


def _at_edges(line: Line, columns: list[tuple[float, float]]) -> list[Line]:
    """Cut a piece over several columns where a word begins at the edge of one, however near."""
    edges = [left for left, _ in columns if line.x0 + EDGE < left < line.x1]
    middles = [(one[1] + other[0]) / 2 for one, other in pairwise(columns)]
    cuts = [
        at
        for at, (above, word) in enumerate(pairwise(line.words), 1)
        if any(abs(word.x0 - edge) <= EDGE for edge in edges)
        or any(above.x1 <= middle <= word.x0 for middle in middles)
    ]
    ends = [0, *cuts, len(line.words)]
    return [line.of(line.words[a:b]) for a, b in pairwise(ends)] if cuts else [line]


def _is_code(cells: list[list[str]]) -> bool:
    """Tell lines of a program, each with a remark after it."""
    remarks = sum(any(cell.startswith(_REMARKS) for cell in row[1:]) for row in cells)
    return remarks >= CODE_SHARE * len(cells)


def _is_prose(rows: list[Row], columns: list[tuple[float, float]]) -> bool:
    texts: dict[int, list[str]] = {}
    for row in rows:
        for line in row:
            texts.setdefault(_place(line, columns), []).append(line.text)
    long = [found for found in texts.values() if median(map(len, found)) >= PROSE_CHARS]
    if len(long) < 2:  # noqa: PLR2004 - a column of remarks
        return False
    flat = [text for found in long for text in found]
    return sum(text[0].islower() for text in flat) >= PROSE_SHARE * len(flat)


def _is_contents(cells: list[list[str]]) -> bool:
    """Tell a list of contents: titles, and page numbers that rise."""
    if len(cells[0]) != 2 or len(cells) < MIN_ROWS:  # noqa: PLR2004 - title and page
        return False
    pages = [row[1] for row in cells if row[1]]
    if not all(_PAGE_NUMBER.fullmatch(page) for page in pages):
        return False
    numbers = [int(page) for page in pages if page.isdigit()]
    return all(one <= other for one, other in pairwise(numbers))
