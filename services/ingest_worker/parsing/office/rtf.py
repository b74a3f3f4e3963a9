"""Rich text (rtf): paragraphs, headings, lists and tables; pictures and settings are left out."""

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.office.rtf_tokens import (
    DEFAULT_PAGE,
    Token,
    code_page,
    decoded,
    tokens,
)
from services.ingest_worker.parsing.office_types import RTF
from shared.models import Element, ElementKind

# Groups whose text is no text of the document, though old readers need not skip them.
_SKIPPED = frozenset(
    (
        *("colortbl", "info", "pict", "fldinst", "datafield", "themedata", "objdata", "objclass"),
        *("filetbl", "listtable", "listoverridetable", "revtbl", "rsidtbl", "nonesttables"),
        *("list", "listlevel", "leveltext", "levelnumbers", "listname", "listoverride"),
        *("shprslt", "xe", "tc", "nextfile", "template", "formfield", "generator", "sp", "upr"),
    )
)
# Groups marked as "skip me if you do not know me" that hold text.
_KNOWN = frozenset(("shpinst", "shptxt", "annotation", "footnote", "nesttableprops", "ud"))
_ASIDE = frozenset(("footnote", "annotation"))
_MARGINS = frozenset(
    f"{kind}{which}" for kind in ("header", "footer") for which in ("", "l", "r", "f")
)
_AS_TEXT = {
    "tab": "\t", "line": "\n", "emdash": "—", "endash": "\u2013", "emspace": " ", "enspace": " ",
    "lquote": "\u2018", "rquote": "\u2019", "ldblquote": "“", "rdblquote": "”", "bullet": "•",
    "nestcell": " ", "nestrow": " ",
}  # fmt: skip
_SIGNS = {b"~": "\u00a0", b"_": "-", b"\n": "\n", b"\r": "\n"}
# Behind a backslash they are text, and may be the second byte of a character.
_ESCAPED = (b"{", b"}", b"\\")
_ENDS = frozenset(("par", "sect", "page", "column"))
_HEADING = re.compile(r"heading ([1-9])", re.IGNORECASE)
_MAX_FONT = 1 << 16


class RtfParser:
    """Reads the body with notes and comments behind their paragraph, then headers and footers."""

    name = "rtf/2"
    media_types = frozenset({RTF})

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the document; margins alone are no text."""
        del pages
        return Parsed(read_rtf(source.path.read_bytes()))


def read_rtf(content: bytes) -> list[Element]:
    """Return the elements of a document; margins alone are no text."""
    reader = RtfReader()
    for token in tokens(content):
        reader.take(token)
    body, margins = reader.finish()
    return [*body, *margins] if body else []


@dataclass(frozen=True, slots=True)
class _Paragraph:
    """What is known of the paragraph under way; a group's holds until its brace closes."""

    level: int | None = None
    style: int = 0
    listed: bool = False
    in_table: bool = False


@dataclass(slots=True)
class _Story:
    """A run of text of its own: the body, a note, a header."""

    elements: list[Element] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    aside: list[Element] = field(default_factory=list)
    cell: list[str] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)

    def end_paragraph(self, element: Element | None) -> None:
        """Take a paragraph; None when it is one of a cell."""
        if element is None:
            self.cell.append(self.taken())
            return
        self.end_table()
        self.elements += [one for one in (element, *self.aside) if one.text]
        self.aside = []

    def end_cell(self) -> None:
        """Take a cell."""
        self.cell.append(self.taken())
        self.cells.append(" ".join(" ".join(self.cell).split()))
        self.cell = []

    def end_row(self) -> None:
        """Take a row."""
        if any(self.cells):
            self.rows.append(" | ".join(self.cells))
        self.cells = []

    def end_table(self) -> None:
        """Put the table together, if there is one."""
        self.cells += [text for text in self.cell if text]
        self.end_row()
        if self.rows:
            self.elements.append(Element(kind=ElementKind.TABLE, text="\n".join(self.rows)))
            self.elements += self.aside
            self.aside = []
        self.cell, self.rows = [], []

    def taken(self) -> str:
        """Return the text so far and begin anew."""
        text = "".join(self.text).strip()
        self.text = []
        return text


@dataclass(slots=True)
class _Group:
    """What holds until the group's brace closes."""

    story: _Story
    skipped: bool = False
    hidden: bool = False
    rich: bool = False
    table: str = ""
    font: int = 0
    uc: int = 1
    paragraph: _Paragraph = _Paragraph()


class RtfReader:
    """Takes tokens in their order."""

    def __init__(self) -> None:
        self._body = _Story()
        self._margins: list[_Story] = []
        self._group = _Group(self._body)
        self._above: list[_Group] = []
        self._page = DEFAULT_PAGE
        self._fonts: dict[int, int] = {}
        self._levels: dict[int, int] = {}
        self._bytes = bytearray()
        self._pending = 0
        self._starred = False
        self._default_font = 0

    def take(self, token: Token) -> None:
        """Act on a token."""
        kind = token.kind
        if kind in {"text", "byte"} or token.content in _ESCAPED:
            self._add(token.content)
            return
        starred, self._starred = self._starred, False
        self._flush()
        if kind == "{":
            self._above.append(self._group)
            self._group = dataclasses.replace(self._group)
        elif kind == "}":
            self._close()
        elif kind == "sign":
            self._sign(token.content)
        else:
            self._word(token, starred=starred)

    def finish(self) -> tuple[list[Element], list[Element]]:
        """Return the elements of the body, and of the margins each once."""
        self._flush()
        while self._above:
            self._close()
        self._end_paragraph()
        self._body.end_table()
        found = (one for story in self._margins for one in story.elements)
        return self._body.elements, list({one.text: one for one in found}.values())

    def _add(self, content: bytes) -> None:
        """Take bytes of text, without those that stand in for a character said before."""
        stand_ins = min(self._pending, len(content))
        self._pending -= stand_ins
        if not self._group.skipped:
            self._bytes += content[stand_ins:]

    def _flush(self) -> None:
        if self._bytes:
            page = self._fonts.get(self._group.font, self._page)
            self._put(decoded(bytes(self._bytes), page))
            self._bytes.clear()

    def _put(self, text: str) -> None:
        if not (self._group.skipped or self._group.hidden):
            self._group.story.text.append(text)

    def _sign(self, sign: bytes) -> None:
        if sign == b"*":
            self._starred = True
        elif sign in _SIGNS:
            self._put(_SIGNS[sign])

    def _close(self) -> None:
        group = self._group
        if not self._above:
            return
        self._group = self._above.pop()
        if group.table == "stylesheet":
            self._name_style(group.story.taken(), group.paragraph.style)
        elif group.story is not self._group.story and not group.table:
            self._end_story(group.story)
        self._pending = 0

    def _end_story(self, story: _Story) -> None:
        """Put a note behind its paragraph; a margin is kept apart."""
        text = story.taken()
        story.end_table()
        texts = [*(one.text for one in story.elements), text]
        kept = [Element(kind=ElementKind.PARAGRAPH, text=one) for one in texts if one]
        if any(story is margin for margin in self._margins):
            story.elements = kept
        else:
            self._group.story.aside += kept

    def _name_style(self, name: str, style: int) -> None:
        found = _HEADING.match(name)
        if found and style:
            self._levels[style] = int(found[1])

    def _word(self, token: Token, *, starred: bool) -> None:
        word = token.kind
        if word in _SKIPPED or (starred and word not in _KNOWN):
            self._group.skipped = True
        elif word in _AS_TEXT:
            self._put(_AS_TEXT[word])
        elif word in _ENDS:
            self._end_paragraph()
        elif word in _ASIDE or word in _MARGINS:
            self._group.story = _Story()
            if word in _MARGINS:
                self._margins.append(self._group.story)
        elif action := self._actions.get(word):
            action(self, token.value)

    def _end_paragraph(self) -> None:
        if self._group.skipped or self._group.table:
            return
        story, known = self._group.story, self._group.paragraph
        if known.in_table:
            story.end_paragraph(None)
            return
        text = story.taken()
        level = known.level or self._levels.get(known.style)
        if level is not None and text:
            text = " ".join(text.split())
            story.end_paragraph(Element(kind=ElementKind.TITLE, text=text, level=level))
            return
        kind = ElementKind.LIST_ITEM if known.listed else ElementKind.PARAGRAPH
        story.end_paragraph(Element(kind=kind, text=text))

    def _new_paragraph(self, _: int | None) -> None:
        self._group.paragraph = _Paragraph()

    def _in_table(self, _: int | None) -> None:
        self._set(in_table=True)

    def _list(self, value: int | None) -> None:
        self._set(listed=bool(value))

    def _style(self, value: int | None) -> None:
        self._set(style=value or 0)

    def _outline(self, value: int | None) -> None:
        if value is not None and 0 <= value < 9:  # noqa: PLR2004 - 9 is body text
            self._set(level=value + 1)

    def _set(self, **changes: Any) -> None:
        self._group.paragraph = dataclasses.replace(self._group.paragraph, **changes)

    def _cell(self, _: int | None) -> None:
        self._group.story.end_cell()

    def _row(self, _: int | None) -> None:
        self._group.story.end_row()

    def _unicode(self, value: int | None) -> None:
        number = (value or 0) % 0x10000
        self._put(chr(number))
        self._pending = self._group.uc

    def _stand_ins(self, value: int | None) -> None:
        self._group.uc = min(max(value or 0, 0), 100)

    def _hide(self, value: int | None) -> None:
        self._group.hidden = value != 0

    def _plain(self, _: int | None) -> None:
        self._group.hidden, self._group.font = False, self._default_font

    def _font(self, value: int | None) -> None:
        self._group.font = min(max(value or 0, 0), _MAX_FONT)

    def _charset(self, value: int | None) -> None:
        page = code_page(value or 0)
        if self._group.table == "fonttbl" and page is not None:
            self._fonts[self._group.font] = page

    def _font_page(self, value: int | None) -> None:
        if self._group.table == "fonttbl" and value:
            self._fonts[self._group.font] = value

    def _ansi_page(self, value: int | None) -> None:
        self._page = value or DEFAULT_PAGE

    def _first_font(self, value: int | None) -> None:
        self._default_font = self._group.font = value or 0

    def _font_table(self, _: int | None) -> None:
        self._group.table, self._group.story = "fonttbl", _Story()

    def _style_sheet(self, _: int | None) -> None:
        self._group.table, self._group.story = "stylesheet", _Story()

    _actions: dict[str, Callable[["RtfReader", int | None], None]] = {  # noqa: RUF012
        "pard": _new_paragraph,
        "intbl": _in_table,
        "ls": _list,
        "s": _style,
        "cell": _cell,
        "outlinelevel": _outline,
        "row": _row,
        "u": _unicode,
        "uc": _stand_ins,
        "v": _hide,
        "deleted": _hide,
        "plain": _plain,
        "f": _font,
        "fcharset": _charset,
        "cpg": _font_page,
        "ansicpg": _ansi_page,
        "deff": _first_font,
        "fonttbl": _font_table,
        "stylesheet": _style_sheet,
    }
