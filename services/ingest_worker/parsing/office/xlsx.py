"""Workbooks of Excel 2007 and later (xlsx, xlsm): a page for each sheet, read as a stream.

The format is ISO/IEC 29500-1 section 18.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from zipfile import ZipFile

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.office.docx_styles import Node, child
from services.ingest_worker.parsing.office.number_formats import (
    BUILTIN,
    Shown,
    general,
    number_format,
)
from services.ingest_worker.parsing.office.ooxml import (
    chart_lines,
    lines,
    main_part,
    related,
    relation_id,
    relations,
)
from services.ingest_worker.parsing.office.sheets import (
    Cells,
    Row,
    bounded,
    one_line,
    sheet_elements,
    title,
    without_text,
)
from services.ingest_worker.parsing.office_types import XLSX
from services.ingest_worker.parsing.packages import (
    member,
    members,
    xml_events,
    xml_root,
)
from shared.models import Element, ElementKind

# Sheets and their strings are read as streams: this bounds time, not memory.
MAX_SHEET_BYTES = 1024 * 1024 * 1024
MAX_STRINGS_BYTES = 256 * 1024 * 1024
MAX_COLUMN = 16_384
_DIGITS = "0123456789"
_WHOLE = re.compile(r"-?\d{1,11}")
_BOOLEANS = {"0": "FALSE", "1": "TRUE"}


class XlsxParser:
    """Reads each sheet's cells as they are shown, then its comments, text boxes and charts.

    Formulas show the value they had when the workbook was saved. Hidden sheets are read too.
    """

    name = "xlsx/1"
    media_types = frozenset({XLSX})

    def plan(self, source: Source) -> int:
        """Count the sheets."""
        with ZipFile(source.path) as archive:
            return max(1, len(_sheets(archive)[1]))

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the sheets of `pages`."""
        with ZipFile(source.path) as archive:
            workbook, sheets = _sheets(archive)
            wanted = [page for page in range(1, len(sheets) + 1) if pages is None or page in pages]
            reader = _Workbook(archive, workbook)
            every = (one for page in wanted for one in reader.sheet(*sheets[page - 1], page))
            elements = list(bounded(every, source.path))
        full = {one.page for one in elements}
        empty = [page for page in wanted if page not in full]
        warnings = [without_text("Sheet", sheets[page - 1][0], page) for page in empty]
        return Parsed(elements, max(1, len(wanted)), warnings)


def _sheets(archive: ZipFile) -> tuple[str, list[tuple[str, str]]]:
    """Return the workbook's part, and its sheets' names and parts in their order."""
    workbook = main_part(archive, "xl/workbook.xml")
    found = relations(archive, workbook)
    sheets = child(xml_root(archive, workbook), "sheets")
    nodes = [] if sheets is None else list(sheets.iterchildren("{*}sheet"))
    named = [(str(node.get("name", "")), found.get(relation_id(node))) for node in nodes]
    return workbook, [(name, "" if to is None else to.target) for name, to in named]


class _Workbook:
    """An open workbook: its strings and formats at hand."""

    def __init__(self, archive: ZipFile, part: str) -> None:
        self._archive = archive
        names = related(archive, part, "sharedStrings")
        self._strings = [text for name in names for text in self._read_strings(name)]
        epoch = child(xml_root(archive, part), "workbookPr")
        self._epoch_1904 = epoch is not None and epoch.get("date1904") in {"1", "true"}
        styles = next(related(archive, part, "styles"), "")
        self._styles = list(self._read_styles(styles)) if styles else []

    def sheet(self, name: str, part: str, page: int) -> Iterator[Element]:
        """Yield what is on a sheet and beside it; nothing if it is empty."""
        if part not in members(self._archive):
            return
        titled = False
        for element in sheet_elements(name, self._rows(part), page):
            titled = True
            yield element
        for text in self._beside(part):
            if text and not titled:
                titled = True
                yield title(name, page)
            yield Element(kind=ElementKind.PARAGRAPH, text=text, page=page)

    def _read_strings(self, part: str) -> Iterator[str]:
        with member(self._archive, part, MAX_STRINGS_BYTES) as stream:
            for node in xml_events(stream, "{*}si"):
                yield one_line(_string(node))
                _forget(node)

    def _read_styles(self, part: str) -> Iterator[Shown | None]:
        root = xml_root(self._archive, part)
        codes = dict(BUILTIN)
        for node in root.iterfind("{*}numFmts/{*}numFmt"):
            codes[int(node.get("numFmtId", 0))] = str(node.get("formatCode", ""))
        for node in root.iterfind("{*}cellXfs/{*}xf"):
            code = codes.get(int(node.get("numFmtId", 0)), "")
            yield number_format(code, self._epoch_1904)

    def _rows(self, part: str) -> Iterator[Row]:
        with member(self._archive, part, MAX_SHEET_BYTES) as stream:
            number = 0
            for node in xml_events(stream, "{*}row"):
                number = int(node.get("r") or number + 1)
                yield number, self._cells(node)
                _forget(node)

    def _cells(self, row: Node) -> Cells:
        cells, column = Cells(), 0
        for cell in row:
            place = cell.get("r")
            column = _column(place.rstrip(_DIGITS)) if place else column + 1
            if text := self._shown(cell):
                cells.append((column, text))
        return cells

    def _shown(self, cell: Node) -> str:
        kind, value = cell.get("t", "n"), ""
        for part in cell:
            if part.tag.endswith("}v"):
                value = part.text or ""
            elif part.tag.endswith("}is"):
                return one_line(_string(part))
        if not value:
            return ""
        return self._kinds[kind](self, cell, value) if kind in self._kinds else one_line(value)

    def _number(self, cell: Node, value: str) -> str:
        style = int(cell.get("s", 0))
        shown = self._styles[style] if style < len(self._styles) else None
        if shown is None:
            return value if _WHOLE.fullmatch(value) else general(float(value))
        return one_line(shown(float(value)))

    def _shared(self, _: Node, value: str) -> str:
        at = int(value)
        return self._strings[at] if at < len(self._strings) else ""

    def _boolean(self, _: Node, value: str) -> str:
        return _BOOLEANS.get(value, value)

    _kinds: dict[str, Callable[["_Workbook", Node, str], str]] = {  # noqa: RUF012
        "n": _number,
        "s": _shared,
        "b": _boolean,
    }

    def _beside(self, part: str) -> Iterator[str]:
        """Yield a sheet's comments, and the texts of its drawings and charts."""
        for name in related(self._archive, part, "comments"):
            for node in xml_root(self._archive, name).iter("{*}comment"):
                yield one_line(_string(child(node, "text")))
        for name in related(self._archive, part, "drawing"):
            yield from lines(xml_root(self._archive, name))
            for chart in related(self._archive, name, "chart"):
                yield from chart_lines(self._archive, chart)


def _string(node: Node) -> str:
    """Return a string's text without its phonetic guides."""
    if node is None:
        return ""
    runs = (node, *node.iterchildren("{*}r"))
    return "".join(text.text or "" for run in runs for text in run.iterchildren("{*}t"))


@lru_cache(MAX_COLUMN)
def _column(letters: str) -> int:
    """Return a column's number, A is 1."""
    number = 0
    for letter in letters[:3].upper():
        number = number * 26 + ord(letter) - 64
    return min(number, MAX_COLUMN)


def _forget(node: Node) -> None:
    node.clear()
    parent = node.getparent()
    while parent is not None and node.getprevious() is not None:
        del parent[0]
