"""Spreadsheets in OpenDocument: a page for each sheet, every cell's text as the file has it."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.office.docx_styles import Node, attribute, local
from services.ingest_worker.parsing.office.odf import forget, opened, text_of
from services.ingest_worker.parsing.office.sheets import (
    Cells,
    Row,
    bounded,
    one_line,
    sheet_elements,
    without_text,
)
from services.ingest_worker.parsing.office_types import ODS
from shared.models import Element

CONTENT = "content.xml"
# A repeated cell or row is written once; beyond this it is filling, not content.
MAX_REPEATS = 1000


class OdsParser:
    """Reads each sheet's cells as they are shown, and their comments. Hidden ones are read too."""

    name = "ods/1"
    media_types = frozenset({ODS})

    def plan(self, source: Source) -> int:
        """Count the sheets."""
        sheets = 0
        with opened(source.path, CONTENT, "{*}table", "{*}table-row") as nodes:
            for node in nodes:
                sheets += _ends_sheet(node)
                forget(node)
        return max(1, sheets)

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the sheets of `pages`."""
        with opened(source.path, CONTENT, "{*}table", "{*}table-row") as nodes:
            return _Reader(nodes).read(source.path, pages)


class _Reader:
    """Reads sheet after sheet from one stream."""

    def __init__(self, nodes: Iterator[Node]) -> None:
        self._nodes = nodes
        self._ended: list[str] = []
        self._names: dict[int, str] = {}

    def read(self, path: Path, pages: range | None) -> Parsed:
        """Return what is on the sheets of `pages`."""
        elements = list(bounded(self._all(pages), path))
        full = {one.page for one in elements}
        empty = [page for page in self._names if page not in full]
        warnings = [without_text("Sheet", self._names[page], page) for page in empty]
        return Parsed(elements, max(1, len(self._names)), warnings)

    def _all(self, pages: range | None) -> Iterator[Element]:
        for page in count(1):
            # A sheet's name comes with its last row.
            found = list(sheet_elements("", self._rows(), page))
            name = self._ended.pop() if self._ended else None
            if name is None:
                return
            if pages is None or page in pages:
                self._names[page] = name
                yield from (_named(one, name) for one in found)

    def _rows(self) -> Iterator[Row]:
        number = 0
        for node in self._nodes:
            if local(node) == "table-row":
                times = _repeats(node, "rows")
                cells = _cells(node)
                for at in range(min(times, MAX_REPEATS) if cells else 0):
                    yield number + at + 1, cells
                number += times
            elif _ends_sheet(node):
                self._ended = [attribute(node, "name")]
                forget(node)
                return
            forget(node)


def _named(element: Element, name: str) -> Element:
    is_title = element.level is not None
    return element.model_copy(update={"text": one_line(name)}) if is_title else element


def _ends_sheet(node: Node) -> bool:
    return local(node) == "table" and local(node.getparent()) == "spreadsheet"


def _cells(row: Node) -> Cells:
    cells, column = Cells(), 0
    for cell in row:
        times = _repeats(cell, "columns")
        text = one_line(text_of(cell)) if len(cell) else ""
        if text and local(cell) == "table-cell":
            cells.extend((column + at, text) for at in range(min(times, MAX_REPEATS)))
        column += times
    return cells


def _repeats(node: Node, what: str) -> int:
    times = attribute(node, f"number-{what}-repeated")
    return int(times) if times.isdecimal() else 1
