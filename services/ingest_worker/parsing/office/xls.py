"""Workbooks of Excel before 2007 (xls), through xlrd: a page for each sheet."""

from collections.abc import Iterator
from typing import Any

import xlrd  # type: ignore[import-untyped]

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.office.number_formats import general, number_format
from services.ingest_worker.parsing.office.sheets import Cells, Row, Sheets, one_line
from services.ingest_worker.parsing.office_types import XLS
from shared.errors import FileEncrypted

# xlrd tells only by these words that a workbook is locked.
_LOCKED = "encrypted"
_BOOLEANS = {0: "FALSE", 1: "TRUE"}


class XlsParser:
    """Reads each sheet's cells as they are shown, and their comments. Hidden ones are read too."""

    name = f"xlrd/1 {xlrd.__version__}"
    media_types = frozenset({XLS})

    def plan(self, source: Source) -> int:
        """Count the sheets."""
        return max(1, int(_opened(source).nsheets))

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the sheets of `pages`."""
        book = _opened(source)
        read = Sheets(book.sheet_names(), lambda at: _xls_rows(book, at))
        return read.parsed(source.path, pages)


def _opened(source: Source) -> Any:
    try:
        return xlrd.open_workbook(
            source.path,
            formatting_info=True,
            on_demand=True,
            ragged_rows=True,
            logfile=_Nowhere(),
        )
    except xlrd.XLRDError as error:
        if _LOCKED in str(error):
            raise FileEncrypted from error
        raise


class _Nowhere:
    """Takes what xlrd says about odd files."""

    def write(self, text: str) -> int:
        """Drop it."""
        return len(text)

    def flush(self) -> None:
        """Nothing is kept."""


def _xls_rows(book: Any, at: int) -> Iterator[Row]:
    sheet = book.sheet_by_index(at)
    for number in range(sheet.nrows):
        cells = Cells()
        for column, cell in enumerate(sheet.row(number)):
            note = sheet.cell_note_map.get((number, column))
            text = f"{_xls_text(book, cell)} {note.text if note else ''}".strip()
            if text:
                cells.append((column, one_line(text)))
        yield number + 1, cells
    book.unload_sheet(at)


def _xls_text(book: Any, cell: Any) -> str:
    if cell.ctype == xlrd.XL_CELL_TEXT:
        return str(cell.value)
    if cell.ctype in {xlrd.XL_CELL_NUMBER, xlrd.XL_CELL_DATE}:
        code = book.format_map[book.xf_list[cell.xf_index].format_key].format_str
        shown = number_format(code, bool(book.datemode)) or general
        return shown(float(cell.value))
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return _BOOLEANS.get(cell.value, "")
    if cell.ctype == xlrd.XL_CELL_ERROR:
        return str(xlrd.error_text_from_code.get(cell.value, ""))
    return ""
