"""The streams of a doc file: its text by pieces, its paragraphs' properties, its styles.

The format is [MS-DOC]; numbers in hexadecimal are its own, names in brackets too.
"""

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from shared.errors import FileCorrupt, FileEncrypted, TypeUnsupported

_WORD, _WORD_97 = 0xA5EC, 0xC1
_ENCRYPTED, _SECOND_TABLE, _COMPLEX = 0x0100, 0x0200, 0x0004
_COMPRESSED = 0x4000_0000
_PAGE = 512
_WIDE = 2
# Where in the file's head [FIB] a part's place in the table stream stands.
_STYLES, _PARAGRAPHS, _PIECES = 0xA2, 0x102, 0x1A2
# Lengths of the stories, from 0x4C on, in the order their text follows one another.
_LENGTHS = ("body", "footnotes", "margins", "macros", "comments", "endnotes", "boxes", "more")
_MAX_CHARS = 64 * 1024 * 1024
_MAX_BASES = 12
_TITLE_STYLE = 62
_HEADINGS = range(1, 10)
# [sprmPFInTable, sprmPFTtp, sprmPIlfo, sprmPOutLvl], and operands of sizes by their kind [spra].
_IN_TABLE, _ENDS_ROW, _LIST, _LEVEL, _TABLE_DEFINITION = 0x2416, 0x2417, 0x460B, 0x2640, 0xD608
_OPERANDS = {0: 1, 1: 1, 2: 2, 3: 4, 4: 2, 5: 2, 7: 3}


@dataclass(frozen=True, slots=True)
class Story:
    """A run of the text: the body, the footnotes, the comments."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Properties:
    """What is known of a paragraph."""

    style: int = 0
    in_table: bool = False
    ends_row: bool = False
    listed: bool = False
    level: int | None = None


@dataclass(frozen=True, slots=True)
class _Piece:
    """Characters from `first` on, at `offset` in the stream, `width` bytes each."""

    first: int
    offset: int
    width: int


class WordFile:
    """The text of a document, where each character stands, and what its paragraphs are.

    Raises:
        FileEncrypted: it is behind a password.
        FileCorrupt: it lacks a stream, or the text has no place in it.
        TypeUnsupported: it is of a Word of before 1995, or was saved by it in pieces.
    """

    def __init__(self, file: Any) -> None:
        """Read the streams of an open compound file."""
        main = _stream(file, "WordDocument")
        magic, version = struct.unpack_from("<HH", main)
        (flags,) = struct.unpack_from("<H", main, 0x0A)
        if flags & _ENCRYPTED:
            raise FileEncrypted
        if magic != _WORD and version < _WORD_97 and magic >> 8 != 0xA5:  # noqa: PLR2004
            raise TypeUnsupported
        if version < _WORD_97:
            self._old(main, flags)
            return
        table = _stream(file, "1Table" if flags & _SECOND_TABLE else "0Table")
        self._pieces = list(_pieces(_part(main, table, _PIECES)))
        self.text = _text(main, self._pieces)
        self.paragraphs = Paragraphs(main, table)
        self._tell(struct.unpack_from("<8i", main, 0x4C))

    def _old(self, main: bytes, flags: int) -> None:
        """Take the text of Word 6 and 95: one run of bytes, without properties."""
        first, last = struct.unpack_from("<II", main, 0x18)
        if flags & _COMPLEX or not 0 < first <= last <= len(main):
            raise TypeUnsupported
        self._pieces = [_Piece(0, first, 1)]
        self.text = main[first:last].decode("cp1252", "replace")
        self.paragraphs = Paragraphs(b"", b"")
        self._tell(struct.unpack_from("<8i", main, 0x34))

    def _tell(self, lengths: tuple[int, ...]) -> None:
        """Say where each story is: the margins' apart from what is read in order."""
        at, found = 0, {}
        for name, length in zip(_LENGTHS, lengths, strict=True):
            found[name] = Story(at, min(at + max(length, 0), len(self.text)))
            at += max(length, 0)
        self.margins = found.pop("margins")
        found.pop("macros")
        self.stories = list(found.values())

    def offset(self, at: int) -> int:
        """Return where a character stands in the stream."""
        piece = self._pieces[bisect_right(self._pieces, at, key=lambda one: one.first) - 1]
        return piece.offset + (at - piece.first) * piece.width


def _stream(file: Any, name: str) -> bytes:
    if not file.exists(name):
        raise FileCorrupt(f"The document lacks its stream {name}.")
    return bytes(file.openstream(name).read())


def _part(main: bytes, table: bytes, at: int) -> bytes:
    start, length = struct.unpack_from("<II", main, at)
    return table[start : start + length]


def _pieces(clx: bytes) -> Iterator[_Piece]:
    """Yield the pieces of the text [PlcPcd], and a last one where it ends."""
    at = 0
    while clx[at : at + 1] == b"\x01":
        at += 3 + int(struct.unpack_from("<H", clx, at + 1)[0])
    if clx[at : at + 1] != b"\x02":
        raise FileCorrupt("The document does not say where its text is.")
    plc = clx[at + 5 : at + 5 + int(struct.unpack_from("<I", clx, at + 1)[0])]
    count = (len(plc) - 4) // 12
    firsts = struct.unpack_from(f"<{count + 1}I", plc)
    for number in range(count):
        (place,) = struct.unpack_from("<I", plc, 4 * (count + 1) + 8 * number + 2)
        small = bool(place & _COMPRESSED)
        offset = place & (_COMPRESSED - 1)
        yield _Piece(firsts[number], offset // 2 if small else offset, 1 if small else 2)
    yield _Piece(firsts[count], 0, 0)


def _text(main: bytes, pieces: list[_Piece]) -> str:
    if pieces[-1].first > _MAX_CHARS:
        raise FileCorrupt("The document says it is longer than it can be.")
    texts = []
    for piece, after in pairwise(pieces):
        count = max(after.first - piece.first, 0)
        content = main[piece.offset : piece.offset + count * piece.width]
        text = content.decode("utf-16-le" if piece.width > 1 else "cp1252", "replace")
        # Characters outside the first plane are two places long.
        wide = "".join(_places(text)) if len(text) < len(content) // piece.width else text
        texts.append(wide.ljust(count))
    return "".join(texts)


def _places(text: str) -> Iterator[str]:
    """Yield characters as the file counts them: surrogates, which the registry's scrub joins."""
    for one in text:
        pair = one.encode("utf-16-le")
        yield one if len(pair) == _WIDE else "".join(map(chr, struct.unpack("<HH", pair)))


class Paragraphs:
    """Paragraphs' properties by where they stand in the stream."""

    def __init__(self, main: bytes, table: bytes) -> None:
        """Read the pages of properties [PapxFkp] and the styles [STSH]."""
        runs = sorted(_runs(main, _part(main, table, _PARAGRAPHS))) if main else []
        self._starts = [start for start, _ in runs]
        self._blocks = [block for _, block in runs]
        self._levels = _levels(_part(main, table, _STYLES)) if main else {}

    def at(self, offset: int) -> Properties:
        """Return the properties of the paragraph a place is in."""
        found = bisect_right(self._starts, offset) - 1
        return _properties(self._blocks[found]) if found >= 0 else Properties()

    def level(self, properties: Properties) -> int | None:
        """Return the level of a heading, None of anything else."""
        if properties.level is not None:
            return properties.level + 1 if properties.level + 1 in _HEADINGS else None
        return self._levels.get(properties.style)


def _runs(main: bytes, plc: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield where each run of properties begins, and the properties."""
    count = max(len(plc) - 4, 0) // 8
    pages = struct.unpack_from(f"<{count}I", plc, 4 * (count + 1)) if count else ()
    for page in pages:
        start = (page & 0x3FFFFF) * _PAGE
        content = main[start : start + _PAGE]
        if len(content) == _PAGE:
            yield from _page_runs(content)


def _page_runs(page: bytes) -> Iterator[tuple[int, bytes]]:
    count = min(page[-1], 29)
    starts = struct.unpack_from(f"<{count}I", page)
    for number, start in enumerate(starts):
        at = 2 * page[4 * (count + 1) + 13 * number]
        if not at or at >= _PAGE - 2:
            yield start, b""
            continue
        small = page[at]
        begin, length = (at + 1, 2 * small - 1) if small else (at + 2, 2 * page[at + 1])
        yield start, page[begin : begin + length]


def _properties(block: bytes) -> Properties:
    if len(block) < 2:  # noqa: PLR2004 - a style's number
        return Properties()
    found = dict(_changes(block[2:]))
    level = found.get(_LEVEL)
    return Properties(
        style=int(struct.unpack_from("<H", block)[0]),
        in_table=bool(found.get(_IN_TABLE)),
        ends_row=bool(found.get(_ENDS_ROW)),
        listed=bool(found.get(_LIST)),
        level=level,
    )


def _changes(block: bytes) -> Iterator[tuple[int, int]]:
    """Yield each property's number and the first bytes of its value [Prl]."""
    at = 0
    while at + 3 <= len(block):
        (number,) = struct.unpack_from("<H", block, at)
        size = _OPERANDS.get(number >> 13)
        if number == _TABLE_DEFINITION:
            size = int.from_bytes(block[at + 2 : at + 4], "little") + 1
        elif size is None:
            size = block[at + 2] + 1
        yield number, int.from_bytes(block[at + 2 : at + 2 + min(size, 4)], "little")
        at += 2 + size


def _levels(sheet: bytes) -> dict[int, int]:
    """Return the heading levels of styles by their number, those of their bases included."""
    styles = dict(enumerate(_styles(sheet)))
    found = {number: _level(styles, number) for number in styles}
    return {number: level for number, level in found.items() if level is not None}


def _styles(sheet: bytes) -> Iterator[tuple[int, int]]:
    """Yield each style's built-in number and the style it stands on [StdfBase]."""
    if len(sheet) < 4:  # noqa: PLR2004 - its own length and the count of styles
        return
    size, count = struct.unpack_from("<HH", sheet)
    at = 2 + size
    for _ in range(count):
        if at + 2 > len(sheet):
            return
        (length,) = struct.unpack_from("<H", sheet, at)
        kind, base = struct.unpack_from("<HH", sheet, at + 2) if length >= 4 else (0, 0)  # noqa: PLR2004
        yield kind & 0x0FFF, base >> 4
        at += 2 + length + length % 2


def _level(styles: dict[int, tuple[int, int]], number: int) -> int | None:
    for _ in range(_MAX_BASES):
        kind, number = styles.get(number, (0, -1))
        if kind in _HEADINGS:
            return kind
        if kind == _TITLE_STYLE:
            return 1
    return None
