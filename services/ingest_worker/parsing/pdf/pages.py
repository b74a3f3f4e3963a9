"""The pages of one open PDF, each seen with those before it: running heads, tables that go on."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pypdfium2  # type: ignore[import-untyped]

from services.ingest_worker.parsing.memory import no_bomb
from services.ingest_worker.parsing.pdf.furniture import PAGES_BACK, edge_lines
from services.ingest_worker.parsing.pdf.layout import page_items
from services.ingest_worker.parsing.pdf.lines import Item, PageContent, Table
from services.ingest_worker.parsing.pdf.page import read_page

REMEMBERED_PAGES = 16
# A table that goes on without a header is followed back this far for one.
MAX_TABLE_PAGES = 100
# A table's columns stand where they stood; those without rules are as wide as what is in them.
COLUMNS_NEAR = 15.0
# A running foot and a page number may stand between a table and where it goes on.
MAX_BETWEEN = 3
_FIGURES = "-+(.$€£"


@dataclass(frozen=True, slots=True)
class SeenPage:
    """A page with its items in reading order; `content` is None if it is damaged."""

    number: int
    content: PageContent | None
    items: Sequence[Item]


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a page's last table, empty if it has none; `table` is None without a table."""

    row: list[str]
    table: Table | None

    def of(self, table: Table) -> list[str] | None:
        """Return the header of a table on the next page; None if that one begins there."""
        if self.table is None or not _goes_on(self.table, table):
            return None
        return self.row


class Pages:
    """Reads pages, remembering the last few: each needs those before it."""

    def __init__(self, document: pypdfium2.PdfDocument) -> None:
        """Take an open document; its form fields are looked at if it has any."""
        self._document = document
        document.init_forms()
        self._forms = document.formenv.raw if document.formenv else None
        self._contents: OrderedDict[int, PageContent | None] = OrderedDict()

    def content(self, page: int) -> PageContent | None:
        """Return what is on a page; None if it is damaged.

        Raises:
            FileTooLarge: the page is a bomb; pdfium gives up on it, and it would pass for empty.
        """
        if page not in self._contents:
            with no_bomb(page):
                self._contents[page] = read_page(self._document, page, self._forms)
            if len(self._contents) > REMEMBERED_PAGES:
                self._contents.popitem(last=False)
        return self._contents[page]

    def read(self, window: range) -> Iterator[SeenPage]:
        """Yield the window's pages, each table that goes on with its header in front."""
        known: Header | None = None
        for page in window:
            items = self._items(page)
            known = self._headed(page, items, known)
            yield SeenPage(page, self.content(page), items)

    def _headed(self, page: int, items: Sequence[Item], above: Header | None) -> Header | None:
        """Put the header on a table that goes on; return what the next page may go on with."""
        table, last = _first_table(items), _first_table(items[::-1])
        header = None
        if table is not None:
            header = self._goes_on_with(page, table) if above is None else above.of(table)
        if table is not None and header is not None and header not in (table.rows[0], []):
            table.rows.insert(0, header)
        if last is None:
            return Header([], None)
        return Header(_heading(last) if header is None or last is not table else header, last)

    def _items(self, page: int) -> list[Item]:
        content = self.content(page)
        if content is None:
            return []
        before = {}
        for earlier in range(max(1, page - PAGES_BACK), page):
            above = self.content(earlier)
            before[earlier] = edge_lines(above) if above else []
        return page_items(content, page, before)

    def _goes_on_with(self, page: int, table: Table) -> list[str] | None:
        """Look back for the header of the table this one goes on with; None if it begins here."""
        below = table
        for earlier in range(page - 1, max(0, page - 1 - MAX_TABLE_PAGES), -1):
            items = self._items(earlier)
            above = _first_table(items[::-1])
            if above is None or not _goes_on(above, below):
                return None if below is table else _heading(below)
            if above is not _first_table(items):
                return _heading(above)
            below = above
        return None if below is table else _heading(below)


def _first_table(items: Sequence[Item]) -> Table | None:
    return next((one for one in items[:MAX_BETWEEN] if isinstance(one, Table)), None)


def _goes_on(above: Table, table: Table) -> bool:
    return (
        len(above.columns) == len(table.columns)
        and len(above.rows[0]) == len(table.rows[0])
        and all(
            abs(one - other) <= COLUMNS_NEAR
            for one, other in zip(above.columns, table.columns, strict=True)
        )
    )


def _heading(table: Table) -> list[str]:
    """Return a table's first row if it names columns: more than one cell, no figures in them."""
    named = [cell for cell in table.rows[0] if cell]
    names = not any(cell[0].isdigit() or cell[0] in _FIGURES for cell in named)
    return table.rows[0] if len(named) > 1 and names else []
