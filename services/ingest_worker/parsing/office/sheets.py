"""A sheet's cells as elements: its tables with their headers, and the lines that stand alone.

Rows come in as they are read and go out in runs, so memory stays small however long a sheet is.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from services.ingest_worker.parsing.base import Parsed
from shared.errors import FileTooLarge
from shared.models import Element, ElementKind, JobWarning

# A row's number and its cells that hold something, as (column, text), both from left to right.
Cells = list[tuple[int, str]]
Row = tuple[int, Cells]

# One element of a long table: every run begins with the table's header.
RUN_ROWS = 256
RUN_CHARS = 128 * 1024
# One cell's text may be repeated a million times in a file of some kilobytes. Real workbooks have
# about two characters of text a byte; beyond this many a byte it is a bomb.
MAX_CHARS_A_BYTE = 16
FREE_CHARS = 4 * 1024 * 1024


def sheet_elements(name: str, rows: Iterable[Row], page: int) -> Iterator[Element]:
    """Yield a sheet's title and what stands on it; nothing of an empty sheet."""
    titled = False
    for element in _elements(rows, page):
        if not titled:
            titled = True
            yield title(name, page)
        yield element


def bounded(elements: Iterable[Element], path: Path) -> Iterator[Element]:
    """Yield the elements of a workbook's file while they are in proportion to it.

    Raises:
        FileTooLarge: there is more text than a file of this size has.
    """
    left = max(FREE_CHARS, MAX_CHARS_A_BYTE * path.stat().st_size)
    for element in elements:
        left -= len(element.text)
        if left < 0:
            raise FileTooLarge("The workbook repeats itself to more text than is allowed.")
        yield element


def title(name: str, page: int) -> Element:
    """Return a sheet's or a slide's title."""
    return Element(kind=ElementKind.TITLE, text=" ".join(name.split()), level=1, page=page)


def one_line(text: str) -> str:
    """Return a cell's text on one line."""
    return " ".join(text.split())


def without_text(kind: str, name: str, page: int) -> JobWarning:
    """Warn of a sheet or a slide that has no text."""
    detail = f"{kind} {page} ({name}) has no text." if name else f"{kind} {page} has no text."
    return JobWarning(code="page_without_text", detail=detail, page=page)


@dataclass(frozen=True, slots=True)
class Sheets:
    """The sheets of a workbook: their names, and a way to each one's rows."""

    names: list[str]
    rows: Callable[[int], Iterable[Row]]

    def parsed(self, path: Path, pages: range | None) -> Parsed:
        """Read the sheets of `pages`."""
        wanted = [at for at in range(1, len(self.names) + 1) if pages is None or at in pages]
        every = (one for page in wanted for one in self._sheet(page))
        elements = list(bounded(every, path))
        full = {one.page for one in elements}
        empty = [page for page in wanted if page not in full]
        warnings = [without_text("Sheet", self.names[page - 1], page) for page in empty]
        return Parsed(elements, max(1, len(wanted)), warnings)

    def _sheet(self, page: int) -> Iterator[Element]:
        return sheet_elements(self.names[page - 1], self.rows(page - 1), page)


@dataclass(slots=True)
class _Block:
    """Rows between two blank ones: lines of one cell, then a header and the rows below it."""

    page: int
    header: Cells = field(default_factory=list)
    rows: list[Cells] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    chars: int = 0
    given: bool = False

    def add(self, cells: Cells) -> Iterator[Element]:
        """Take a row; give a run that is full."""
        self.chars += sum(len(text) for _, text in cells)
        if self.header:
            self.rows.append(cells)
        elif len(cells) == 1:
            self.lines.append(cells[0][1])
        else:
            yield from self._lines()
            self.header = cells
        if len(self.rows) + len(self.lines) >= RUN_ROWS or self.chars >= RUN_CHARS:
            yield from self.run()

    def run(self) -> Iterator[Element]:
        """Give what is there."""
        yield from self._lines()
        if self.rows:
            yield self._table([self.header, *self.rows])
            self.rows = []
        self.chars = 0

    def end(self) -> Iterator[Element]:
        """Give what is left; a header with no row below it was a row itself."""
        alone = bool(self.header) and not self.rows and not self.given
        yield from self.run()
        if alone:
            yield self._table([self.header])

    def _lines(self) -> Iterator[Element]:
        if self.lines:
            text = "\n".join(self.lines)
            yield Element(kind=ElementKind.PARAGRAPH, text=text, page=self.page)
            self.lines = []

    def _table(self, rows: list[Cells]) -> Element:
        self.given = True
        columns = sorted({column for row in rows for column, _ in row})
        texts = [dict(row) for row in rows]
        text = "\n".join(" | ".join(row.get(at, "") for at in columns) for row in texts)
        return Element(kind=ElementKind.TABLE, text=text, page=self.page)


def _elements(rows: Iterable[Row], page: int) -> Iterator[Element]:
    block, last = _Block(page), 0
    for number, cells in rows:
        if not cells:
            continue
        if number > last + 1:
            yield from block.end()
            block = _Block(page)
        last = number
        yield from block.add(cells)
    yield from block.end()
