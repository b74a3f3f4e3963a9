"""Reading order. Files draw it as it is read, nearly always; where one does not, columns are cut.

The cut is the recursive one of Nagy and Seth (1984): a page falls apart at its widest empty
stretches, down between columns first, then across.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median

from services.ingest_worker.parsing.pdf.columns import PROSE_CHARS
from services.ingest_worker.parsing.pdf.lines import Item, Line, same_row

# A page is drawn out of order if it goes back up its own column this often.
MAX_BACK, MAX_BACK_SHARE = 2, 0.05
# Rows that hold a line of each of two columns: so many of them are no chance.
MIN_ROWS = 3
MIN_GUTTER = 0.6
# Beyond this a page is no text anybody reads in order.
MAX_ITEMS, MAX_DEPTH = 400, 40
# So many of the gaps from either end are tried for a cut across.
MAX_CUTS = 12


def in_order(items: list[Item]) -> list[Item]:
    """Return a page's lines and tables as they are read."""
    if len(items) > MAX_ITEMS or not (_goes_back(items) or _side_by_side(items)):
        return items
    gutter = MIN_GUTTER * median(one.bottom - one.top for one in items)
    return _cut(items, max(gutter, 1.0), MAX_DEPTH)


def _goes_back(items: Sequence[Item]) -> bool:
    back = sum(
        1
        for above, one in pairwise(items)
        if one.bottom <= above.top and one.x0 < above.x1 and one.x1 > above.x0
    )
    return back > max(MAX_BACK, MAX_BACK_SHARE * len(items))


def _side_by_side(items: Sequence[Item]) -> bool:
    """Tell whether columns of prose are drawn row by row."""
    lengths = [
        min(len(one.text), len(other.text))
        for one, other in pairwise(items)
        if isinstance(one, Line) and isinstance(other, Line) and _parted(one, other)
    ]
    return len(lengths) >= MIN_ROWS and median(lengths) >= PROSE_CHARS


def _parted(one: Line, other: Line) -> bool:
    return same_row(one, other) and other.x0 - one.x1 > MIN_GUTTER * one.height


def _cut(items: list[Item], gutter: float, depth: int) -> list[Item]:
    rows = _sorted(items)
    if not depth or not any(same_row(one, other) for one, other in pairwise(rows)):
        return rows
    column = _gutter(items, gutter)
    if column is not None:
        left = [one for one in items if one.x1 <= column]
        right = [one for one in items if one.x1 > column]
        return _cut(left, gutter, depth - 1) + _cut(right, gutter, depth - 1)
    at = _across(rows, gutter)
    if at is None:
        return rows
    return _cut(rows[:at], gutter, depth - 1) + _cut(rows[at:], gutter, depth - 1)


def _sorted(items: Sequence[Item]) -> list[Item]:
    """Return items row by row, each from left to right."""
    rows: list[list[Item]] = []
    for item in sorted(items, key=lambda one: one.top):
        if rows and same_row(rows[-1][0], item):
            rows[-1].append(item)
        else:
            rows.append([item])
    return [item for row in rows for item in sorted(row, key=lambda one: one.x0)]


def _gutter(items: Sequence[Item], least: float) -> float | None:
    """Return where the widest empty stretch down the items begins, if columns lie beside it."""
    best, found, reach = least, None, float("-inf")
    ordered = sorted(items, key=lambda one: one.x0)
    for at, item in enumerate(ordered):
        if at > 1 and item.x0 - reach >= best and len(items) - at > 1:
            best, found = item.x0 - reach, reach
        reach = max(reach, item.x1)
    return found


def _across(rows: Sequence[Item], gutter: float) -> int | None:
    """Return where to cut across: so that what is below, or above, falls into columns."""
    cuts = _gaps(rows)
    tests: tuple[Callable[[int], Sequence[Item]], ...] = (
        lambda at: rows[at:],
        lambda at: rows[:at],
    )
    for part, order in zip(tests, (cuts, cuts[::-1]), strict=True):
        for at in order[:MAX_CUTS]:
            if _gutter(part(at), gutter) is not None:
                return at
    return cuts[0] if cuts else None


def _gaps(rows: Sequence[Item]) -> list[int]:
    gaps, reach = [], rows[0].bottom
    for at, item in enumerate(rows[1:], 1):
        if item.top >= reach - 0.2 * (item.bottom - item.top):
            gaps.append(at)
        reach = max(reach, item.bottom)
    return gaps
