"""Org files (orgmode.org): headlines, lists, tables, blocks; keywords and drawers dropped."""

import re
from collections.abc import Iterator

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.detect import ORG
from services.ingest_worker.parsing.encodings import decode_file
from shared.models import Element, ElementKind

_HEADLINE = re.compile(r"(\*+)\s+(?:(?:TODO|DONE)\s+)?(?:\[#\w\]\s+)?(.*?)(?:\s+:[\w@#%:]+:)?$")
_KEYWORD = re.compile(r"#\+(\w+):\s*(.*)$")
_SEEN_KEYWORDS = frozenset(("author", "caption", "date", "description", "subtitle"))
_BLOCK = re.compile(r"#\+begin_(\w+)", re.IGNORECASE)
_CODE = frozenset(("src", "example", "export"))
_DRAWER = re.compile(r":[\w-]+:$")
_ITEM = re.compile(r"(?:[-+]|\d+[.)]|[A-Za-z][.)])\s+\S")
_RULE = re.compile(r"\|[-+|]+$|-{5,}$")
_INLINE = (
    (re.compile(r"\[\[[^\[\]]+\]\[([^\[\]]+)\]\]"), r"\1"),
    (re.compile(r"\[\[([^\[\]]+)\]\]"), r"\1"),
    (re.compile(r"(?<!\S)[=~*](\S(?:[^=~*\n]*\S)?)[=~*](?![\w=~*])"), r"\1"),
)


class OrgParser:
    """Reads Org files."""

    name = "org/1"
    media_types = frozenset({ORG})

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the lines in order."""
        del pages
        decoded = decode_file(source.path)
        return Parsed(list(read_org(decoded.text)), warnings=decoded.warnings)


def read_org(text: str) -> Iterator[Element]:
    """Yield the elements of a text."""
    reader = _Reader()
    for line in text.split("\n"):
        yield from reader.take(line.rstrip())
    yield from reader.flush()


class _Reader:
    """Gathers lines until their element ends."""

    def __init__(self) -> None:
        self._kind = ElementKind.PARAGRAPH
        self._lines: list[str] = []
        # What ends the block we are in, in small letters.
        self._until = ""
        self._hidden = False

    def take(self, line: str) -> Iterator[Element]:
        """Take one line; yield what it completes."""
        if self._until:
            yield from self._within(line)
        elif not line.strip():
            yield from self.flush()
        elif headline := _HEADLINE.match(line):
            yield from self.flush()
            level = min(len(headline[1]), 9)
            yield Element(kind=ElementKind.TITLE, text=_plain(headline[2]), level=level)
        elif line.lstrip().startswith(("#", ":")):
            yield from self._special(line.strip())
        else:
            yield from self._text(line)

    def flush(self) -> Iterator[Element]:
        """Yield what has been gathered."""
        lines, kind = self._lines, self._kind
        self._lines, self._kind = [], ElementKind.PARAGRAPH
        if any(lines):
            text = "\n".join(lines)
            yield Element(kind=kind, text=text if kind is ElementKind.CODE else _plain(text))

    def _within(self, line: str) -> Iterator[Element]:
        if line.strip().lower() == self._until:
            self._until, self._hidden = "", False
            yield from self.flush()
        elif not self._hidden:
            self._lines.append(line)

    def _special(self, line: str) -> Iterator[Element]:
        if block := _BLOCK.match(line):
            yield from self.flush()
            name = block[1].lower()
            self._until = f"#+end_{name}"
            self._hidden = name == "comment"
            self._kind = ElementKind.CODE if name in _CODE else ElementKind.PARAGRAPH
        elif keyword := _KEYWORD.match(line):
            yield from self.flush()
            yield from _said(keyword[1].lower(), keyword[2])
        elif _DRAWER.match(line):
            self._until, self._hidden = ":end:", True
        elif not line.startswith("#"):
            # A colon and a space: a line as it is typed.
            yield from self._gather(ElementKind.CODE, line.removeprefix(":").removeprefix(" "))

    def _text(self, line: str) -> Iterator[Element]:
        stripped = line.strip()
        if _RULE.match(stripped):
            return
        if stripped.startswith("|"):
            cells = [cell.strip() for cell in stripped.strip("|").split("|")]
            yield from self._gather(ElementKind.TABLE, " | ".join(cells))
        elif _ITEM.match(stripped):
            yield from self.flush()
            yield from self._gather(ElementKind.LIST_ITEM, stripped)
        elif self._kind is ElementKind.LIST_ITEM:
            self._lines.append(stripped)
        else:
            yield from self._gather(ElementKind.PARAGRAPH, stripped)

    def _gather(self, kind: ElementKind, line: str) -> Iterator[Element]:
        if kind is not self._kind:
            yield from self.flush()
        self._kind = kind
        self._lines.append(line)


def _said(keyword: str, value: str) -> Iterator[Element]:
    if value and keyword == "title":
        yield Element(kind=ElementKind.TITLE, text=_plain(value), level=1)
    elif value and keyword in _SEEN_KEYWORDS:
        yield Element(kind=ElementKind.PARAGRAPH, text=_plain(value))


def _plain(text: str) -> str:
    for pattern, seen in _INLINE:
        text = pattern.sub(seen, text)
    return text.strip()
