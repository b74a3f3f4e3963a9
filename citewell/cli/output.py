"""How verbs print: results on standard output, everything else on standard error."""

from collections.abc import Iterable, Sequence
from typing import Any

import typer
from pydantic_core import to_json
from rich.console import Console
from rich.table import Table
from rich.text import Text


def stdout() -> Console:
    """Return the console for results."""
    return Console(highlight=False)


def stderr() -> Console:
    """Return the console for progress, remarks and errors."""
    return Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """Print models, dataclasses, lists and dicts as indented JSON."""
    typer.echo(to_json(value, indent=2))


def print_json_line(value: Any) -> None:
    """Print a model as JSON on a line of its own, at once."""
    typer.echo(to_json(value))


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Build a table; cells are shown as they are, so no file name is taken for markup."""
    built = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        built.add_column(heading, overflow="fold")
    for row in rows:
        built.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    return built


def shortened(text: str, most: int) -> str:
    """Put a text on one line of at most `most` characters, cut between words."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most].rsplit(' ', 1)[0]} …"


def seconds(value: float | None) -> str:
    """Word a span of time: `7 s`, `3 min 20 s`, `1 h 5 min`; a dash for none."""
    if value is None:
        return "-"
    whole = round(value)
    if whole < 60:  # noqa: PLR2004
        return f"{whole} s"
    if whole < 3600:  # noqa: PLR2004
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
