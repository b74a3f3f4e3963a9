"""Workbooks of Excel before 2007 (xls) through xlrd, and binary ones of later (xlsb)."""

import contextlib
import datetime as dt
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xlrd  # type: ignore[import-untyped]
from python_calamine import CalamineError, CalamineWorkbook, PasswordError

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.number_formats import general, number_format
from services.ingest_worker.parsing.office_types import XLS, XLSB
from services.ingest_worker.parsing.sheets import (
    Cells,
    Row,
    bounded,
    one_line,
    sheet_elements,
    without_text,
)
from shared.errors import FileCorrupt, FileEncrypted
from shared.models import Element

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
        read = _Sheets(book.sheet_names(), lambda at: _xls_rows(book, at))
        return read.parsed(source.path, pages)


class XlsbParser:
    """Reads each sheet's cells; the library tells dates from numbers, but no other format."""

    name = "calamine/1"
    media_types = frozenset({XLSB})

    def plan(self, source: Source) -> int:
        """Count the sheets."""
        with _binary(source) as book:
            return max(1, len(book.sheet_names))

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the sheets of `pages`."""
        with _binary(source) as book:
            read = _Sheets(book.sheet_names, lambda at: _xlsb_rows(book, at))
            return read.parsed(source.path, pages)


@dataclass(frozen=True, slots=True)
class _Sheets:
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


def _opened(source: Source) -> Any:
    try:
        return xlrd.open_workbook(
            source.path, formatting_info=True, on_demand=True, logfile=_Nowhere()
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


@contextlib.contextmanager
def _binary(source: Source) -> Iterator[CalamineWorkbook]:
    """Open a workbook; the library's panics are no exceptions of Python's kind."""
    try:
        yield CalamineWorkbook.from_path(os.fspath(source.path))
    except PasswordError as error:
        raise FileEncrypted from error
    except CalamineError as error:
        raise FileCorrupt(f"The workbook cannot be read: {error}") from error
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            raise FileCorrupt("The workbook cannot be read.") from error
        raise


def _xlsb_rows(book: CalamineWorkbook, at: int) -> Iterator[Row]:
    sheet = book.get_sheet_by_index(at)
    first = sheet.start[0] if sheet.start else 0
    for number, row in enumerate(sheet.iter_rows(), first + 1):
        texts = ((column, _xlsb_text(value)) for column, value in enumerate(row))
        yield number, [(column, text) for column, text in texts if text]


def _xlsb_text(value: object) -> str:
    if isinstance(value, bool):
        return _BOOLEANS[value]
    if isinstance(value, int | float):
        return general(float(value))
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return str(value.date())
    return one_line(str(value))
