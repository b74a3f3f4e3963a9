"""Binary workbooks of Excel 2007 and later (xlsb): a page for each sheet, read as a stream.

The format is [MS-XLSB]: records in the parts of a zip package; names in brackets are its own.
"""

import struct
from collections.abc import Callable, Iterator
from io import BufferedReader
from typing import BinaryIO, cast
from zipfile import ZipFile

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.office.number_formats import (
    BUILTIN,
    Shown,
    general,
    number_format,
)
from services.ingest_worker.parsing.office.ooxml import main_part, related, relations
from services.ingest_worker.parsing.office.sheets import Cells, Row, Sheets, one_line
from services.ingest_worker.parsing.office_types import XLSB
from services.ingest_worker.parsing.packages import member, members
from shared.errors import FileCorrupt

MAX_PART_BYTES = 512 * 1024 * 1024
MAX_RECORD_BYTES = 1024 * 1024
_BOOLEANS = {0: "FALSE", 1: "TRUE"}
_ERRORS = {
    0: "#NULL!", 7: "#DIV/0!", 15: "#VALUE!", 23: "#REF!", 29: "#NAME?", 36: "#NUM!", 42: "#N/A",
}  # fmt: skip
# Kinds of records: BrtRowHdr, BrtSSTItem, BrtFmt, BrtXF, BrtWbProp, BrtBundleSh, and where the
# cells' looks begin and end.
_ROW, _STRING, _FORMAT, _LOOK, _PROPERTIES, _SHEET, _LOOKS, _LOOKS_END = (
    *(0, 19, 44, 47, 153, 156, 617, 618),
)
_COMMENT = 637
_CELL_BYTES = 8

Record = tuple[int, bytes]


class XlsbParser:
    """Reads each sheet's cells as they are shown, and its comments. Hidden ones are read too."""

    name = "xlsb/1"
    media_types = frozenset({XLSB})

    def plan(self, source: Source) -> int:
        """Count the sheets."""
        with ZipFile(source.path) as archive:
            return max(1, len(_Book(archive).sheets))

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the sheets of `pages`."""
        with ZipFile(source.path) as archive:
            book = _Book(archive)
            book.read_cells()
            names = [name for name, _ in book.sheets]
            return Sheets(names, book.rows).parsed(source.path, pages)


class _Book:
    """An open workbook."""

    def __init__(self, archive: ZipFile) -> None:
        self._archive = archive
        self._part = main_part(archive, "xl/workbook.bin")
        self._epoch_1904 = False
        self._strings: list[str] = []
        self._looks: list[Shown | None] = []
        self.sheets = list(self._read_sheets())
        if not self.sheets:
            raise FileCorrupt("There are no sheets in this workbook.")

    def read_cells(self) -> None:
        """Read what cells refer to: strings and formats."""
        for part in related(self._archive, self._part, "sharedStrings"):
            found = self._records(part)
            self._strings = [_wide(body, 1)[0] for kind, body in found if kind == _STRING]
        for part in related(self._archive, self._part, "styles"):
            self._looks = list(self._read_looks(part))

    def rows(self, at: int) -> Iterator[Row]:
        """Yield the rows of a sheet; its comments come as rows below them."""
        part, number = self.sheets[at][1], 0
        if part not in members(self._archive):
            return
        for number, cells in self._cells(part):
            yield number, cells
        for comments in related(self._archive, part, "comments"):
            texts = (
                _wide(body, 1)[0] for kind, body in self._records(comments) if kind == _COMMENT
            )
            for below, text in enumerate(texts, 1):
                # Apart from one another: no table.
                yield number + 2 * below, [(0, one_line(text))]

    def _cells(self, part: str) -> Iterator[Row]:
        number, cells = 0, Cells()
        for kind, body in self._records(part):
            if kind == _ROW:
                yield number, cells
                number, cells = 1 + int(struct.unpack_from("<I", body)[0]), Cells()
            elif kind in self._kinds:
                column, look = struct.unpack_from("<II", body)
                if text := self._kinds[kind](self, body[_CELL_BYTES:], look & 0xFFFFFF):
                    cells.append((column, text))
        yield number, cells

    def _read_sheets(self) -> Iterator[tuple[str, str]]:
        found = relations(self._archive, self._part)
        for kind, body in self._records(self._part):
            if kind == _PROPERTIES:
                self._epoch_1904 = bool(body[0] & 1)
            elif kind == _SHEET:
                relation, end = _wide(body, 8)
                to = found.get(relation)
                yield _wide(body, end)[0], "" if to is None else to.target

    def _read_looks(self, part: str) -> Iterator[Shown | None]:
        codes, inside = dict(BUILTIN), False
        for kind, body in self._records(part):
            if kind == _FORMAT:
                codes[int(struct.unpack_from("<H", body)[0])] = _wide(body, 2)[0]
            elif kind in {_LOOKS, _LOOKS_END}:
                inside = kind == _LOOKS
            elif kind == _LOOK and inside:
                code = codes.get(int(struct.unpack_from("<H", body, 2)[0]), "")
                yield number_format(code, self._epoch_1904)

    def _records(self, part: str) -> Iterator[Record]:
        with member(self._archive, part, MAX_PART_BYTES) as stream:
            yield from _records(cast("BinaryIO", BufferedReader(stream, 1 << 16)))

    def _number(self, value: float, look: int) -> str:
        shown = self._looks[look] if look < len(self._looks) else None
        return one_line((shown or general)(value))

    def _packed(self, body: bytes, look: int) -> str:
        return self._number(_unpacked(body), look)

    def _real(self, body: bytes, look: int) -> str:
        return self._number(float(struct.unpack_from("<d", body)[0]), look)

    def _shared(self, body: bytes, _: int) -> str:
        (at,) = struct.unpack_from("<I", body)
        return one_line(self._strings[at]) if at < len(self._strings) else ""

    def _text(self, body: bytes, _: int) -> str:
        return one_line(_wide(body, 0)[0])

    def _rich(self, body: bytes, _: int) -> str:
        return one_line(_wide(body, 1)[0])

    def _boolean(self, body: bytes, _: int) -> str:
        return _BOOLEANS.get(body[0], "")

    def _error(self, body: bytes, _: int) -> str:
        return _ERRORS.get(body[0], "")

    # Cells [BrtCellRk …] and those of formulas [BrtFmlaString …], by the kind of their record.
    _kinds: dict[int, Callable[["_Book", bytes, int], str]] = {  # noqa: RUF012
        2: _packed, 3: _error, 4: _boolean, 5: _real, 6: _text, 7: _shared, 8: _text, 9: _real,
        10: _boolean, 11: _error, 62: _rich,
    }  # fmt: skip


def _records(stream: BinaryIO) -> Iterator[Record]:
    """Yield the kind and the body of each record; a longer body than any cell has is cut."""
    while (kind := _varied(stream, 2, 7)) is not None:
        length = _varied(stream, 4, 7) or 0
        body = stream.read(min(length, MAX_RECORD_BYTES))
        left = length - len(body)
        while left > 0 and (skipped := stream.read(min(left, MAX_RECORD_BYTES))):
            left -= len(skipped)
        # Bytes that are read must be there: zeros stand in for those of a cut file.
        yield kind, body.ljust(16, b"\0")


def _varied(stream: BinaryIO, most: int, bits: int) -> int | None:
    """Return a number of up to `most` bytes, None at the end."""
    value = 0
    for at in range(most):
        byte = stream.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << bits * at
        if byte[0] < 0x80:  # noqa: PLR2004 - the mark that more follows
            break
    return value


def _wide(body: bytes, at: int) -> tuple[str, int]:
    """Return a string [XLWideString] and where it ends."""
    (length,) = struct.unpack_from("<I", body, at)
    end = at + 4 + 2 * (0 if length == 0xFFFFFFFF else length)  # noqa: PLR2004 - none at all
    return body[at + 4 : end].decode("utf-16-le", "replace"), end


def _unpacked(body: bytes) -> float:
    """Return a number in four bytes [RkNumber]: a float's upper half, or an integer."""
    (packed,) = struct.unpack_from("<i", body)
    value = float(packed >> 2)
    if not packed & 2:
        value = struct.unpack("<d", struct.pack("<ii", 0, packed & ~3))[0]
    return value / 100 if packed & 1 else value
