"""Word documents of before 2007 (doc), read from their streams.

The format is [MS-DOC]; names in brackets are its own.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import olefile  # type: ignore[import-untyped]

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.office.doc_binary import Paragraphs, Story, WordFile
from services.ingest_worker.parsing.office_types import DOC
from shared.models import Element, ElementKind

# [Sttbf..] A field's instructions stand between its begin and its separator.
_FIELD = re.compile("[\x13\x14\x15]")
_ENDS = re.compile("[\r\x07\x0c\x0e]")
_CELL = "\x07"
# Marks of pictures, notes and comments, and hyphens that are not always seen.
_AS_TEXT = str.maketrans(
    {"\x0b": "\n", "\x1e": "-"} | dict.fromkeys("\x01\x02\x03\x04\x05\x08\x1f")
)


class DocParser:
    """Reads a document's body, then its notes, comments and text boxes, then its margins.

    Headings, list items and tables are told by the paragraphs' properties. Text that tracked
    changes have deleted is still in the file, and is read.
    """

    name = "doc/1"
    media_types = frozenset({DOC})

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the document; margins alone are no text."""
        del pages
        with olefile.OleFileIO(str(source.path)) as file:
            word = WordFile(file)
        elements = [one for story in word.stories for one in _elements(word, story) if one.text]
        if not elements:
            return Parsed([])
        margins = dict.fromkeys(one.text for one in _elements(word, word.margins) if one.text)
        last = [Element(kind=ElementKind.PARAGRAPH, text=text) for text in margins]
        return Parsed([*elements, *last])


@dataclass(slots=True)
class _Table:
    """Rows as they are filled; a cell may hold several paragraphs."""

    rows: list[str] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def add(self, text: str, *, ends_cell: bool, ends_row: bool) -> None:
        """Take a paragraph of the table."""
        if ends_row:
            if any(self.cells):
                self.rows.append(" | ".join(self.cells))
            self.cells = []
            return
        self.texts.append(text)
        if ends_cell:
            self.cells.append(" ".join(" ".join(self.texts).split()))
            self.texts = []

    def taken(self) -> Iterator[Element]:
        """Give what was collected and begin anew."""
        rest = [*self.cells, *self.texts]
        rows = [*self.rows, *([" | ".join(rest)] if any(rest) else [])]
        if rows:
            yield Element(kind=ElementKind.TABLE, text="\n".join(rows))
        self.rows, self.cells, self.texts = [], [], []


def _elements(word: WordFile, story: Story) -> Iterator[Element]:
    table, styles = _Table(), word.paragraphs
    for text, mark, end in _split(word.text[story.start : story.end], story.start):
        properties = styles.at(word.offset(end))
        if properties.in_table or mark == _CELL:
            table.add(text, ends_cell=mark == _CELL, ends_row=properties.ends_row)
            continue
        yield from table.taken()
        yield _element(styles, text, word.offset(end))
    yield from table.taken()


def _element(styles: Paragraphs, text: str, offset: int) -> Element:
    properties = styles.at(offset)
    level = styles.level(properties)
    if level is not None and text:
        return Element(kind=ElementKind.TITLE, text=" ".join(text.split()), level=level)
    kind = ElementKind.LIST_ITEM if properties.listed else ElementKind.PARAGRAPH
    return Element(kind=kind, text=text)


def _split(text: str, start: int) -> Iterator[tuple[str, str, int]]:
    """Yield each paragraph as a reader sees it, its end mark, and where that stands."""
    fields = _Fields()
    at = 0
    for found in _ENDS.finditer(text):
        yield fields.seen(text[at : found.start()]), found[0], start + found.start()
        at = found.end()
    if at < len(text):
        yield fields.seen(text[at:]), "", start + len(text) - 1


class _Fields:
    """Leaves out what fields are told to do, and keeps what they show."""

    def __init__(self) -> None:
        self._hidden: list[bool] = []

    def seen(self, text: str) -> str:
        """Return what is shown of the next run of text."""
        shown, at = [], 0
        for found in _FIELD.finditer(text):
            shown.append(self._part(text[at : found.start()]))
            self._mark(found[0])
            at = found.end()
        return "".join([*shown, self._part(text[at:])]).translate(_AS_TEXT).strip()

    def _part(self, text: str) -> str:
        return "" if any(self._hidden) else text

    def _mark(self, mark: str) -> None:
        if mark == "\x13":
            self._hidden.append(True)
        elif self._hidden and mark == "\x14":
            self._hidden[-1] = False
        elif self._hidden:
            self._hidden.pop()
