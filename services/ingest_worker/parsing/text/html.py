"""HTML through lxml: titles, paragraphs, lists, tables, code; scripts and navigation dropped."""

import re
from collections.abc import Iterator
from typing import Any

from lxml import etree  # type: ignore[import-untyped]

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.detect import HTML
from services.ingest_worker.parsing.encodings import decode_file
from shared.models import Element, ElementKind, JobWarning

# `Any`: lxml ships no types.
Node = Any

# Nothing a reader of the page would call its text.
_DROPPED = (
    *("script", "style", "noscript", "template", "nav", "svg", "iframe", "object", "embed"),
    *("canvas", "audio", "video", "head"),
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "body", "center", "dd", "details", "dialog"),
        *("div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hr"),
        *(
            "html",
            "legend",
            "li",
            "main",
            "ol",
            "option",
            "p",
            "pre",
            "section",
            "summary",
            "table",
        ),
        *("caption", "tbody", "td", "textarea", "tfoot", "th", "thead", "title", "tr", "ul"),
        *_HEADINGS,
    )
)
_SPACES = re.compile(r"\s+")
# A start tag with its attributes, quoted or not; one that is not closed, up to the end.
_TAG = re.compile(r"""<[A-Za-z](?>[^>=]++|=\s*"[^"]*"|=\s*'[^']*'|=)*+>?""")
_BETWEEN = re.compile(r"[\s/=]+")
# libxml2 compares each attribute with all before it; nobody reads them.
MAX_ATTRIBUTES = 2000


class HtmlParser:
    """Reads HTML of any vintage, as a browser would decode it."""

    name = f"lxml-html/1 {etree.LXML_VERSION[0]}.{etree.LXML_VERSION[1]}"
    media_types = frozenset({HTML})

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the document's title and body."""
        del pages
        decoded = decode_file(source.path)
        parsed = read_html(decoded.text)
        return Parsed(parsed.elements, warnings=[*decoded.warnings, *parsed.warnings])


def read_html(text: str) -> Parsed:
    """Return the elements of a page or a fragment."""
    if not text.strip():
        return Parsed([])
    # `huge_tree` lifts the depth limit from 256 to 2,048; nothing here recurses.
    parser = etree.HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True, huge_tree=True
    )
    root = etree.fromstring(_without_many_attributes(text).encode(), parser)
    if root is None:
        return Parsed([])
    reader = _Reader()
    title = root.findtext(".//head/title")
    etree.strip_elements(root, *_DROPPED, with_tail=False)
    reader.read(root)
    elements = _with_title(reader.elements, " ".join((title or "").split()))
    return Parsed(elements, warnings=list(_truncations(parser.error_log)))


def _without_many_attributes(text: str) -> str:
    # Each attribute takes two characters at least.
    return text if len(text) < 2 * MAX_ATTRIBUTES else _TAG.sub(_bounded, text)


def _bounded(tag: re.Match[str]) -> str:
    if len(_BETWEEN.findall(tag[0])) <= MAX_ATTRIBUTES:
        return tag[0]
    return _BETWEEN.split(tag[0], maxsplit=1)[0].rstrip(">") + ">"


def _truncations(log: Node) -> Iterator[JobWarning]:
    """Tell when libxml2 stopped early: what it had not reached is not in the tree."""
    if any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in log):
        yield JobWarning(code="truncated", detail="The page is nested too deeply to be read whole.")


def _with_title(elements: list[Element], title: str) -> list[Element]:
    """Put the page's title first unless the text says it itself."""
    heading = next((one for one in elements[:10] if one.kind is ElementKind.TITLE), None)
    if not title or (heading is not None and heading.text == title):
        return elements
    return [Element(kind=ElementKind.TITLE, text=title, level=1), *elements]


class _Reader:
    """Walks a tree; the text between two block boundaries is an element."""

    def __init__(self) -> None:
        self.elements: list[Element] = []
        self._text: list[str] = []
        self._open: list[str] = []

    def read(self, root: Node) -> None:
        """Walk everything below `root`, without recursion: pages nest as deep as they like."""
        walk = etree.iterwalk(root, events=("start", "end"))
        for event, node in walk:
            if event == "start":
                if node.tag == "table" and self._table(node):
                    walk.skip_subtree()
                else:
                    self._enter(node)
            else:
                self._leave(node)
        self._flush()

    def _enter(self, node: Node) -> None:
        if node.tag in _BLOCKS:
            self._flush()
            self._open.append(node.tag)
        elif node.tag == "br":
            self._text.append("\n")
        self._add(node.text)

    def _leave(self, node: Node) -> None:
        if node.tag in _BLOCKS:
            self._flush()
            if self._open and self._open[-1] == node.tag:
                self._open.pop()
        self._add(node.tail)

    def _add(self, text: str | None) -> None:
        if text:
            self._text.append(text if "pre" in self._open else _SPACES.sub(" ", text))

    def _flush(self) -> None:
        if not self._text:
            return
        text = "".join(self._text)
        self._text.clear()
        if "pre" in self._open:
            text = text.strip("\n").rstrip()
        else:
            text = "\n".join(" ".join(line.split()) for line in text.split("\n")).strip()
        if text:
            self.elements.append(self._element(text))

    def _element(self, text: str) -> Element:
        for tag in reversed(self._open):
            if tag in _HEADINGS:
                text = " ".join(text.split())
                return Element(kind=ElementKind.TITLE, text=text, level=_HEADINGS[tag])
            if tag == "pre":
                return Element(kind=ElementKind.CODE, text=text)
            if tag in {"li", "dd", "dt"}:
                return Element(kind=ElementKind.LIST_ITEM, text=text)
        return Element(kind=ElementKind.PARAGRAPH, text=text)

    def _table(self, table: Node) -> bool:
        """Read a table of data as one element; a table used for layout is left to the walk."""
        if next(table.iterdescendants("table"), None) is not None:
            return False
        rows = [[_cell(cell) for cell in row.iterchildren("td", "th")] for row in table.iter("tr")]
        if max((len(row) for row in rows), default=0) < 2:  # noqa: PLR2004 - one column is a list
            return False
        self._flush()
        lines = [" | ".join(row) for row in rows if any(row)]
        caption = next(table.iterchildren("caption"), None)
        if caption is not None and (text := _cell(caption)):
            self.elements.append(Element(kind=ElementKind.PARAGRAPH, text=text))
        self.elements.append(Element(kind=ElementKind.TABLE, text="\n".join(lines)))
        return True


def _cell(cell: Node) -> str:
    parts = []
    for event, node in etree.iterwalk(cell, events=("start", "end")):
        if node.tag in _BLOCKS or node.tag == "br":
            parts.append(" ")
        if event == "start":
            parts.append(node.text or "")
        elif node is not cell:
            parts.append(node.tail or "")
    return " ".join("".join(parts).split())
