"""XML of any vocabulary: the text of its elements, streamed; no entity resolved, nothing fetched.

An element that holds text besides others is one piece of text. A short text that stands alone in
its element comes with the element's name, as `price: 12`: in data the name is half of what is said.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.entities import html5

from lxml import etree  # type: ignore[import-untyped]

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.detect import XML
from services.ingest_worker.parsing.scrub import scrub
from services.ingest_worker.parsing.text.streams import open_text
from shared.errors import FileCorrupt
from shared.models import Element, ElementKind, JobWarning

RECORD_CHARS = 1200
MAX_CHARS = 4000
# A longer text says by itself what it is.
NAMED_CHARS = 60
# In a drawing or a page these are no text.
_UNSEEN = frozenset(
    f"{{http://www.w3.org/{space}}}{name}"
    for space in ("2000/svg", "1999/xhtml")
    for name in ("script", "style")
)
_BEFORE_DTD = re.compile(r"\A\ufeff?(?>\s|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE\b", re.DOTALL)
_ENTITY = re.compile(r"&([A-Za-z_:][\w.:-]{0,60});")
MAX_ENTITY_CHARS = 64
_OWN = frozenset({"amp", "lt", "gt", "quot", "apos"})
# Names, quoted texts and comments of a DTD, its subset in brackets among them, up to its end.
_DTD = re.compile(
    r"""(?:[^\[\]<>"']|"[^"]*"|'[^']*')*(\[(?:[^\]"'<]|"[^"]*"|'[^']*'|<!--.*?-->|<(?!!--))*\])?\s*>""",
    re.DOTALL,
)


class XmlParser:
    """Reads XML of any size."""

    name = f"lxml-xml/1 {etree.LXML_VERSION[0]}.{etree.LXML_VERSION[1]}"
    media_types = frozenset({XML})

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the texts in order; what is damaged is read as far as it can be, and told."""
        del pages
        target = _Target()
        parser = etree.XMLParser(
            target=target,
            encoding="utf-8",
            recover=True,
            resolve_entities=False,
            load_dtd=False,
            no_network=True,
        )
        with open_text(source.path) as file:
            for piece in without_entities(file.pieces()):
                parser.feed(piece.encode())
        parser.close()
        damage = [JobWarning(code="truncated", detail=text) for text in _damage(parser)]
        return Parsed(target.elements, warnings=[*file.warnings, *damage])


def without_entities(pieces: Iterator[str]) -> Iterator[str]:
    """Yield a document without its declarations, and without what they may have declared.

    Entities that HTML knows become what they are there.

    Raises:
        FileCorrupt: the document type declaration has no end.
    """
    text = without_dtd(scrub(next(pieces, "")))
    for piece in pieces:
        # One may stand across the cut.
        cut = max(text.rfind("&", -MAX_ENTITY_CHARS), 0) or len(text)
        yield _ENTITY.sub(_resolved, text[:cut])
        text = text[cut:] + scrub(piece)
    yield _ENTITY.sub(_resolved, text)


def _resolved(entity: re.Match[str]) -> str:
    return entity[0] if entity[1] in _OWN else html5.get(f"{entity[1]};", "")


def without_dtd(text: str) -> str:
    """Return the beginning of a document without its document type declaration.

    What it declares is dangerous or of no use here: entities that grow, or that are files.

    Raises:
        FileCorrupt: it has no end in this text.
    """
    begin = _BEFORE_DTD.match(text)
    if begin is None:
        return text
    end = _DTD.match(text, begin.end())
    if end is None:
        raise FileCorrupt("The document type declaration has no end.")
    return text[: begin.end() - len("<!DOCTYPE")] + text[end.end() :]


def _damage(parser: etree.XMLParser) -> list[str]:
    errors = [entry for entry in parser.feed_error_log if entry.level >= etree.ErrorLevels.FATAL]
    return [f"The XML is damaged in line {entry.line}: {entry.message}" for entry in errors[:1]]


@dataclass(slots=True)
class _Open:
    """An open element: its name, what it says so far, and whether it has text or elements."""

    name: str
    said: str = ""
    parts: list[str] = field(default_factory=list)
    size: int = 0
    text: bool = False
    blocks: bool = False
    unseen: bool = False


class _Target:
    """Takes the parser's events; texts become elements as soon as a record ends."""

    def __init__(self) -> None:
        self.elements: list[Element] = []
        self._stack: list[_Open] = [_Open("")]

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins; its attributes speak if it holds nothing else."""
        name, said = tag.rpartition("}")[2], _said(attributes)
        self._stack.append(_Open(name, said, unseen=tag in _UNSEEN))

    def data(self, text: str) -> None:
        """Text inside the present element."""
        inner = self._stack[-1]
        if inner.unseen:
            return
        if not inner.text and text.strip():
            inner.text = True
            if inner.blocks:
                # What came before it was part of a sentence, and no data.
                inner.parts = [
                    "" if part.endswith(": ") else part.strip("\n") for part in inner.parts
                ]
        if inner.text or not inner.blocks:
            inner.parts.append(text)
            inner.size += len(text)

    def end(self, _tag: str) -> None:
        """An element ends and becomes part of the one around it."""
        inner = self._stack.pop()
        outer = self._stack[-1]
        said = _words(inner)
        if outer.text:
            outer.parts.append(said)
        elif said:
            outer.parts = outer.parts if outer.blocks else []
            outer.blocks = True
            if not inner.blocks and len(said) <= NAMED_CHARS:
                outer.parts.append(f"{inner.name}: ")
            outer.parts.append(said + ("\n\n" if inner.blocks else "\n"))
        outer.size += len(said)
        self._flush(inner, outer)

    def close(self) -> None:
        """The document ends."""
        while self._stack:
            self._emit(self._stack.pop())

    def _flush(self, inner: _Open, outer: _Open) -> None:
        limit = RECORD_CHARS if inner.blocks else MAX_CHARS
        if not outer.text and outer.size > limit:
            # What stands before it in the elements around comes first.
            for one in self._stack:
                if one.blocks and not one.text:
                    self._emit(one)

    def _emit(self, one: _Open) -> None:
        text = "".join(one.parts).strip()
        if text:
            self.elements.append(Element(kind=ElementKind.PARAGRAPH, text=text))
        one.parts, one.size = [""], 0


def _words(inner: _Open) -> str:
    text = "".join(inner.parts)
    if inner.blocks and not inner.text:
        return text.strip("\n")
    return " ".join(text.split()) or inner.said


def _said(attributes: dict[str, str]) -> str:
    """Return what an element without text says by its attributes; addresses say nothing."""
    values = ((name.rpartition("}")[2], value) for name, value in attributes.items())
    return ", ".join(f"{name}: {' '.join(value.split())}" for name, value in values if value)
