"""Tables that are ruled: drawn lines make a grid, and words fall into its cells."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.ingest_worker.parsing.pdf.lines import Line, Ruling, Table, Word, pieces

# Rules this near to each other are one; pens have a width and corners do not quite meet.
SNAP = 3.0
MIN_ROWS, MIN_COLUMNS = 2, 2
# A chart's grid has hardly a word in it, a page's frame has all of them in one cell.
MIN_FILLED, MIN_USED = 0.25, 0.3
MAX_CELL_CHARS = 600
MAX_CELLS = 20_000


class _Part(NamedTuple):
    """Words of one line in one cell, and a place in it."""

    text: str
    x: float
    y: float


@dataclass(slots=True)
class Grid:
    """A grid of drawn lines: its edges, and which of them are drawn where."""

    xs: list[float]
    ys: list[float]
    upright: list[Ruling]
    level: list[Ruling]

    def holds(self, line: Line) -> bool:
        """Tell whether a line's middle lies in the grid."""
        x, y = (line.x0 + line.x1) / 2, (line.top + line.bottom) / 2
        return self.xs[0] <= x <= self.xs[-1] and self.ys[0] <= y <= self.ys[-1]

    def cell(self, x: float, y: float) -> tuple[int, int]:
        """Return row and column; those of the first of the cells that are merged into one."""
        row = _between(self.ys, y)
        column = _between(self.xs, x)
        while column and not _crossed(self.upright, self.xs[column], y, upright=True):
            column -= 1
        while row and not _crossed(self.level, self.ys[row], x, upright=False):
            row -= 1
        return row, column


def ruled_tables(lines: Sequence[Line], rulings: Sequence[Ruling]) -> list[tuple[Table, set[int]]]:
    """Return the tables that rules make, each with the places of the lines in it."""
    found = []
    taken: set[int] = set()
    for grid in _grids(rulings):
        places = {at for at, one in enumerate(lines) if at not in taken and grid.holds(one)}
        table = _table(grid, [lines[at] for at in sorted(places)])
        if table is not None:
            found.append((table, places))
            taken |= places
    return found


def _grids(rulings: Sequence[Ruling]) -> Iterable[Grid]:
    for group in _connected(rulings):
        upright = [one for one in group if one.upright]
        level = [one for one in group if not one.upright]
        xs = _snapped([one.x0 for one in upright] + [edge for one in level for edge in one[0::2]])
        ys = _snapped([one.top for one in level] + [edge for one in upright for edge in one[1::2]])
        cells = (len(xs) - 1) * (len(ys) - 1)
        if len(xs) > MIN_COLUMNS and len(ys) > MIN_ROWS and cells <= MAX_CELLS:
            yield Grid(xs, ys, upright, level)


def _connected(rulings: Sequence[Ruling]) -> Iterable[list[Ruling]]:
    """Group the rules that touch, going from the top: a sweep, so that many stay cheap."""
    groups: list[tuple[list[float], list[Ruling]]] = []
    done: list[list[Ruling]] = []
    for one in sorted(rulings, key=lambda one: one.top):
        passed = [group for group in groups if group[0][3] < one.top - SNAP]
        if passed:
            done.extend(group[1] for group in passed)
            groups = [group for group in groups if group[0][3] >= one.top - SNAP]
        touched = [group for group in groups if _touches(group, one)]
        bounds, members = list(one), [one]
        for group in touched:
            bounds = [
                min(bounds[0], group[0][0]),
                min(bounds[1], group[0][1]),
                max(bounds[2], group[0][2]),
                max(bounds[3], group[0][3]),
            ]
            members = [*group[1], *members]
            groups.remove(group)
        groups.append((bounds, members))
    return [*done, *(members for _, members in groups)]


def _touches(group: tuple[list[float], list[Ruling]], one: Ruling) -> bool:
    x0, top, x1, bottom = group[0]
    return (
        one.x0 <= x1 + SNAP
        and one.x1 >= x0 - SNAP
        and one.top <= bottom + SNAP
        and one.bottom >= top - SNAP
    )


def _snapped(values: list[float]) -> list[float]:
    """Return the distinct places, those within the snap as one."""
    places: list[float] = []
    for value in sorted(values):
        if not places or value - places[-1] > SNAP:
            places.append(value)
    return places


def _between(edges: list[float], value: float) -> int:
    return min(max(0, bisect_right(edges, value) - 1), len(edges) - 2)


def _crossed(rulings: Iterable[Ruling], edge: float, at: float, *, upright: bool) -> bool:
    """Tell whether a rule is drawn on an edge, there."""
    if upright:
        return any(
            abs(one.x0 - edge) <= SNAP and one.top - SNAP <= at <= one.bottom + SNAP
            for one in rulings
        )
    return any(
        abs(one.top - edge) <= SNAP and one.x0 - SNAP <= at <= one.x1 + SNAP for one in rulings
    )


def _table(grid: Grid, lines: Sequence[Line]) -> Table | None:
    cells: dict[tuple[int, int], list[_Part]] = {}
    for line in lines:
        for piece in pieces(line):
            for part in _parts(piece, grid):
                cells.setdefault(grid.cell(part.x, part.y), []).append(part)
    rows = _rows(cells)
    used = {row for row, _ in cells}, {column for _, column in cells}
    if not _tabular(rows) or any(
        len(one) < MIN_USED * (len(edges) - 1)
        for one, edges in zip(used, (grid.ys, grid.xs), strict=True)
    ):
        return None
    return Table(rows, grid.xs[0], grid.ys[0], grid.xs[-1], grid.ys[-1], tuple(grid.xs))


def _parts(line: Line, grid: Grid) -> Iterator[_Part]:
    """Yield runs of words that stand in one column."""
    middle = (line.top + line.bottom) / 2
    column, run = -1, list[Word]()
    for word in line.words or (Word(line.text, line.x0, line.x1),):
        at = grid.cell((word.x0 + word.x1) / 2, middle)[1]
        if run and at != column:
            yield _part(run, middle)
            run = []
        column = at
        run.append(word)
    yield _part(run, middle)


def _part(words: list[Word], y: float) -> _Part:
    return _Part(" ".join(one.text for one in words), (words[0].x0 + words[0].x1) / 2, y)


def _rows(cells: dict[tuple[int, int], list[_Part]]) -> list[list[str]]:
    """Return the rows that hold anything, without the columns that hold nothing."""
    used = sorted({column for _, column in cells})
    rows: list[list[str]] = []
    for at in sorted({row for row, _ in cells}):
        row = [cells.get((at, column), []) for column in used]
        rows.extend(
            [" ".join(part.text for part in cell) for cell in one] for one in _unruled_rows(row)
        )
    return rows


def _unruled_rows(row: list[list[_Part]]) -> list[list[list[_Part]]]:
    """Part a row that holds several: lines level with each other in every cell, none between."""
    heights = [sorted(part.y for part in cell) for cell in row if cell]
    count = max(map(len, heights))
    level = all(
        len(one) == count and all(abs(y - z) <= SNAP for y, z in zip(one, heights[0], strict=True))
        for one in heights
    )
    if count < MIN_ROWS or len(heights) < MIN_COLUMNS or not level:
        return [row]
    ordered = [sorted(cell, key=lambda part: part.y) for cell in row]
    return [[cell[at : at + 1] for cell in ordered] for at in range(count)]


def _tabular(rows: list[list[str]]) -> bool:
    if len(rows) < MIN_ROWS or len(rows[0]) < MIN_COLUMNS:
        return False
    texts = [cell for row in rows for cell in row if cell]
    filled = len(texts) / (len(rows) * len(rows[0]))
    return filled >= MIN_FILLED and max(map(len, texts)) <= MAX_CELL_CHARS
