"""reStructuredText: titles, lists, tables, literal blocks; what only directs the layout is dropped.

The syntax is docutils' (docutils.sourceforge.io/docs/ref/rst/restructuredtext.html). It is read
without docutils: its directives may read other files.
"""

import re
from collections.abc import Callable, Iterator

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.detect import RST
from services.ingest_worker.parsing.encodings import decode_file
from services.ingest_worker.parsing.text.rst_tables import (
    Rows,
    closing_rules,
    grid_end,
    is_grid,
    is_simple,
    read_grid,
    read_simple,
    simple_end,
)
from shared.models import Element, ElementKind

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1+\s*$")
_ITEM = re.compile(
    r"(?:[-*+•‣\u2043]|\(?(?:\d{1,4}|[A-Za-z]|[ivxlcdm]{1,8}|[IVXLCDM]{1,8}|#)[.)])\s+\S"
)
_DIRECTIVE = re.compile(r"\.\. (?:\|[^|]+\| )?([\w:+.-]+?)::(?:\s+(.*))?$")
_NOTE = re.compile(r"\.\. (\[[^\]]+\]) (.*)$")
_OPTION = re.compile(r":[\w -]+:(?:\s+(.*))?$")
_CODE = frozenset({"code", "code-block", "sourcecode", "parsed-literal", "literalinclude", "math"})
# They name other files, or settings of the layout.
_UNSEEN = frozenset(
    ("include", "contents", "toctree", "image", "raw", "highlight", "default-role", "role", "meta")
)
# Without one of these signs, and without wide gaps, a text is what it seems.
_MARKED = re.compile(r"[`*_\\:|]|\S  ")
_INLINE: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"``(.+?)``"), r"\1"),
    (re.compile(r":[\w:.+-]{1,64}:`([^`<]+)(?:<[^`>]*>)?`"), lambda role: role[1].rstrip()),
    (re.compile(r"`([^`<]+)<[^`>]*>`__?"), lambda link: link[1].rstrip()),
    (re.compile(r"`([^`]+)`_{0,2}"), r"\1"),
    # Up to the next two stars, not to the last in the line: no text is gone over twice.
    (re.compile(r"\*\*(?=\S)((?:[^*\n]|\*(?!\*))++)(?<=\S)\*\*"), r"\1"),
    (re.compile(r"(?<![\w*])\*(\S(?:[^*\n]*?\S)?)\*(?![\w*])"), r"\1"),
    (re.compile(r"(?<=\w)__?(?=[\s.,;:!?)]|$)"), ""),
    (re.compile(r"\\(\S)"), r"\1"),
    (re.compile(r"\\ "), ""),
    # Signs at a line's beginning: of a field, a line block, a list item.
    (re.compile(r"^:([^:\n]+):(?=\s|$)", re.MULTILINE), r"\1:"),
    (re.compile(r"^\|(?: |$)", re.MULTILINE), ""),
    (re.compile(r"^(\S{1,9}) {2,}"), r"\1 "),
)
MAX_LEVEL = 9
# Blocks in blocks in blocks: what is nested deeper is read as one paragraph.
MAX_DEPTH = 20


class RstParser:
    """Reads reStructuredText."""

    name = "rst/1"
    media_types = frozenset({RST})

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the blocks in order."""
        del pages
        decoded = decode_file(source.path)
        return Parsed(list(read_rst(decoded.text)), warnings=decoded.warnings)


def read_rst(text: str) -> Iterator[Element]:
    """Yield the elements of a text."""
    lines = [line.rstrip() for line in text.expandtabs(8).split("\n")]
    yield from _Reader([]).read(lines)


def plain(text: str) -> str:
    """Return what a reader sees of a run of text: no markup, no addresses."""
    if _MARKED.search(text):
        for pattern, seen in _INLINE:
            text = pattern.sub(seen, text)
    return text.strip()


class _Reader:
    """Goes through the lines of one block; blocks inside it have readers of their own."""

    def __init__(self, styles: list[str], depth: int = 0) -> None:
        # The adornments of titles in the order they came: their place is their level.
        self._styles = styles
        self._depth = depth
        self._lines: list[str] = []
        # Where tables may end, found once: a search from each of them would take quadratic time.
        self._rules: list[int] | None = None
        self._at = 0

    def read(self, lines: list[str]) -> Iterator[Element]:
        self._lines, self._rules, self._at = lines, None, 0
        ways: tuple[Callable[[], list[Element] | None], ...] = (
            *(self._blank, self._title, self._table, self._explicit, self._item, self._quote),
        )
        while self._at < len(lines):
            found = next((found for way in ways if (found := way()) is not None), None)
            yield from self._paragraph() if found is None else found

    def _line(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._lines[at] if at < len(self._lines) else ""

    def _blank(self) -> list[Element] | None:
        if self._line():
            return None
        self._at += 1
        return []

    def _title(self) -> list[Element] | None:
        first, second, third = self._line(), self._line(1), self._line(2)
        if _ADORNMENT.match(first):
            if second.strip() and third and third == first:
                return self._titled(second, first[0] * 2, lines=3)
            if not second and len(first) > 3:  # noqa: PLR2004 - a transition has four marks
                self._at += 1
                return []
            return None
        if first[0] != " " and _is_underline(second, first):
            return self._titled(first, second[0], lines=2)
        return None

    def _titled(self, text: str, style: str, *, lines: int) -> list[Element]:
        if style not in self._styles:
            self._styles.append(style)
        self._at += lines
        level = min(self._styles.index(style) + 1, MAX_LEVEL)
        return [Element(kind=ElementKind.TITLE, text=plain(text), level=level)]

    def _table(self) -> list[Element] | None:
        start = self._at
        if is_grid(self._line()):
            self._at = grid_end(self._lines, start)
            return _tabled(read_grid(self._lines[start : self._at]))
        if is_simple(self._line()):
            if self._rules is None:
                self._rules = closing_rules(self._lines)
            self._at = simple_end(self._lines, start, self._rules)
            return _tabled(read_simple(self._lines[start : self._at]))
        return None

    def _explicit(self) -> list[Element] | None:
        line = self._line()
        if line != ".." and not line.startswith((".. ", "__ ")):
            return None
        self._at += 1
        body = self._indented()
        if note := _NOTE.match(line):
            return self._inside([f"{note[1]} {note[2]}", *body])
        if directive := _DIRECTIVE.match(line):
            return self._directed(directive[1].lower(), directive[2] or "", body)
        return []

    def _directed(self, name: str, argument: str, body: list[str]) -> list[Element]:
        options, content = _split_options(body)
        if name in _UNSEEN:
            return _paragraphs(options.get("alt", ""))
        if name in _CODE:
            return _code([argument] * (name in {"parsed-literal", "math"}) + content)
        if name == "figure":
            return [*_paragraphs(options.get("alt", "")), *self._inside(content)]
        return self._inside([argument, "", *content] if argument else content)

    def _item(self) -> list[Element] | None:
        if not _ITEM.match(self._line()):
            return None
        first = self._line()
        self._at += 1
        body = self._indented()
        own = next((at for at, line in enumerate(body) if not line), len(body))
        text, literal = _literal(plain("\n".join([first, *body[:own]])))
        item = Element(kind=ElementKind.LIST_ITEM, text=text)
        return [item, *(_code(body[own:]) if literal else self._inside(body[own:]))]

    def _quote(self) -> list[Element] | None:
        return self._inside(self._indented()) if self._line().startswith(" ") else None

    def _paragraph(self) -> list[Element]:
        start = self._at
        self._at += 1
        while self._line() and (self._line()[0] != " " or self._at == start):
            self._at += 1
        lines = self._lines[start : self._at]
        text, literal = _literal(plain("\n".join(lines)))
        found = _paragraphs(text)
        if literal:
            return [*found, *_code(self._indented())]
        return [*found, *self._inside(self._indented(blank=False))]

    def _indented(self, *, blank: bool = True) -> list[str]:
        """Take the lines that stand further in, without their indentation."""
        start = self._at
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if not (line.startswith(" ") or (blank and not line)):
                break
            self._at += 1
        body = self._lines[start : self._at]
        margin = min((len(line) - len(line.lstrip()) for line in body if line), default=0)
        return [line[margin:] for line in body]

    def _inside(self, lines: list[str]) -> list[Element]:
        if self._depth >= MAX_DEPTH:
            return _paragraphs("\n".join(lines))
        return list(_Reader(self._styles, self._depth + 1).read(lines))


def _is_underline(line: str, title: str) -> bool:
    return _ADORNMENT.match(line) is not None and len(line) >= min(len(title), 4)


def _literal(text: str) -> tuple[str, bool]:
    """Return a paragraph's text, and whether a literal block follows it."""
    if not text.endswith("::"):
        return text, False
    return ("" if text == "::" else text[:-1]), True


def _split_options(body: list[str]) -> tuple[dict[str, str], list[str]]:
    options: dict[str, str] = {}
    at = 0
    while at < len(body) and (option := _OPTION.match(body[at])):
        options[body[at][1:].partition(":")[0]] = option[1] or ""
        at += 1
    return options, body[at:]


def _tabled(rows: Rows) -> list[Element]:
    text = "\n".join(" | ".join(map(plain, row)) for row in rows)
    return [Element(kind=ElementKind.TABLE, text=text)]


def _paragraphs(text: str) -> list[Element]:
    return [Element(kind=ElementKind.PARAGRAPH, text=text)] if text else []


def _code(lines: list[str]) -> list[Element]:
    text = "\n".join(lines).strip("\n")
    return [Element(kind=ElementKind.CODE, text=text)] if text else []
