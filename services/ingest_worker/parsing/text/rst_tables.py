"""The two kinds of tables that reStructuredText draws with characters."""

import re
from bisect import bisect_right
from itertools import pairwise

_GRID = re.compile(r"\+(?:[-=]+\+)+$")
# Borders inside a line, where a cell spans rows.
_INNER = re.compile(r"\+?[-=]{2,}[-=+]*")
_SIMPLE = re.compile(r"=+(?: +=+)+$")
_RULE = re.compile(r"-+(?: +-+)*$")

Rows = list[list[str]]


def is_grid(line: str) -> bool:
    """Tell whether a line is the upper border of a table with borders."""
    return _GRID.match(line) is not None


def is_simple(line: str) -> bool:
    """Tell whether a line begins a table that has only rules above and below."""
    return _SIMPLE.match(line) is not None


def grid_end(lines: list[str], start: int) -> int:
    """Return where a table with borders ends that begins at `start`: the line after it."""
    inside = (at for at in range(start, len(lines)) if not lines[at].startswith(("+", "|")))
    return next(inside, len(lines))


def closing_rules(lines: list[str]) -> list[int]:
    """Return where rules stand that may end a table: one before a blank line or the end."""
    return [
        at
        for at, (line, after) in enumerate(zip(lines, [*lines[1:], ""], strict=True))
        if not after and set(line.replace(" ", "")) == {"="}
    ]


def simple_end(lines: list[str], start: int, rules: list[int]) -> int:
    """Return where a table with rules ends that begins at `start`: the line after it.

    It ends at the first of the closing `rules`; without one, at a blank line.
    """
    place = bisect_right(rules, start)
    if place < len(rules):
        return rules[place] + 1
    return next((at for at in range(start, len(lines)) if not lines[at]), len(lines))


def read_grid(lines: list[str]) -> Rows:
    """Return the rows of a table with borders."""
    rows: Rows = []
    row: list[str] = []
    for line in lines:
        if line.startswith("+"):
            rows.append(row)
            # A border that holds text spans rows.
            row = []
        if seen := _INNER.sub("", line).strip("+|").strip():
            row = _joined(row, seen.split("|") if line[0] == "+" else line.strip("|").split("|"))
    rows.append(row)
    return [row for row in rows if any(row)]


def read_simple(lines: list[str]) -> Rows:
    """Return the rows of a table without borders."""
    columns = _columns(lines[0])
    rows: Rows = []
    for line in lines[1:]:
        if not line or is_simple(line) or set(line) == {"="} or _RULE.match(line):
            continue
        cells = [line[start:stop] for start, stop in columns]
        if not cells[0].strip() and rows:
            # Without a first cell it goes on with the row above.
            rows[-1] = _joined(rows[-1], cells)
        else:
            rows.append(_joined([], cells))
    return rows


def _columns(rule: str) -> list[tuple[int, int | None]]:
    starts = [found.start() for found in re.finditer("=+", rule)]
    return [*pairwise(starts), (starts[-1], None)]


def _joined(row: list[str], cells: list[str]) -> list[str]:
    """Put the cells of one more line under those of a row."""
    texts = [" ".join(cell.split()) for cell in cells]
    size = max(len(row), len(texts))
    above, below = ([*one, *[""] * (size - len(one))] for one in (row, texts))
    return [" ".join(filter(None, pair)) for pair in zip(above, below, strict=True)]
