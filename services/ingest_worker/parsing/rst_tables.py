"""The two kinds of tables that reStructuredText draws with characters."""

import re
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


def read_grid(lines: list[str]) -> tuple[Rows, int]:
    """Return the rows of a table with borders, and how many lines it takes."""
    length = next((at for at, line in enumerate(lines) if line[:1] not in "+|" or not line), None)
    lines = lines[:length]
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
    return [row for row in rows if any(row)], len(lines)


def read_simple(lines: list[str]) -> tuple[Rows, int]:
    """Return the rows of a table without borders, and how many lines it takes."""
    columns = _columns(lines[0])
    length = _length(lines)
    rows: Rows = []
    for line in lines[1:length]:
        if not line or is_simple(line) or set(line) == {"="} or _RULE.match(line):
            continue
        cells = [line[start:stop] for start, stop in columns]
        if not cells[0].strip() and rows:
            # Without a first cell it goes on with the row above.
            rows[-1] = _joined(rows[-1], cells)
        else:
            rows.append(_joined([], cells))
    return rows, length


def _columns(rule: str) -> list[tuple[int, int | None]]:
    starts = [found.start() for found in re.finditer("=+", rule)]
    return [*pairwise(starts), (starts[-1], None)]


def _length(lines: list[str]) -> int:
    """Count the lines up to the last rule: one before a blank line or the end."""
    for at, line in enumerate(lines[1:], start=1):
        after = lines[at + 1] if at + 1 < len(lines) else ""
        if set(line.replace(" ", "")) == {"="} and not after:
            return at + 1
    return next((at for at, line in enumerate(lines) if not line), len(lines))


def _joined(row: list[str], cells: list[str]) -> list[str]:
    """Put the cells of one more line under those of a row."""
    texts = [" ".join(cell.split()) for cell in cells]
    size = max(len(row), len(texts))
    above, below = ([*one, *[""] * (size - len(one))] for one in (row, texts))
    return [" ".join(filter(None, pair)) for pair in zip(above, below, strict=True)]
