"""Markdown tables."""

from collections.abc import Sequence
from typing import Any


def table(*headings_and_rows: Any) -> str:
    """Format a Markdown table from headings and, last, the rows."""
    *headings, rows = headings_and_rows
    lines = [_line(headings), _line(["---"] * len(headings)), *map(_line, rows)]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
