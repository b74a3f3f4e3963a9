"""Word documents (docx, docm), read straight from their XML with lxml.

The format is ISO/IEC 29500-1 section 17. Why no library stands between: docs/decisions.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from zipfile import ZipFile

from lxml import etree  # type: ignore[import-untyped]

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.detect import DOCX
from services.ingest_worker.parsing.office.docx_styles import (
    Node,
    Style,
    attribute,
    child,
    local,
    read_styles,
)
from services.ingest_worker.parsing.packages import member, members, xml_events, xml_root
from shared.models import Element, ElementKind

# What may stand between a document's body and its paragraphs without being content of its own.
_TRANSPARENT = frozenset(("sdt", "sdtContent", "customXml", "smartTag", "ins", "moveTo"))
# Deleted text, field codes and properties: in the file, not in the document.
_UNSEEN = frozenset(
    ("del", "moveFrom", "instrText", "delText", "pPr", "rPr", "tblPr", "tcPr", "trPr", "sectPr")
)
_AS_TEXT = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_NOTES = {
    "footnoteReference": "footnote",
    "endnoteReference": "endnote",
    "commentReference": "comment",
}
_MARGIN = re.compile(r"word/(header|footer)\d*\.xml")


class DocxParser:
    """Reads a document's body, its notes and comments where they are referred to, and its margins.

    Tracked changes are read as if accepted. Headers and footers come once each, headers first.
    """

    name = "docx/1"
    media_types = frozenset({DOCX})

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the document; margins alone are no text."""
        del pages
        with ZipFile(source.path) as archive:
            document = _Document(archive)
            body = [element for element in document.body() if element.text]
            if not body:
                return Parsed([])
            headers, footers = document.margins("header"), document.margins("footer")
        return Parsed([*headers, *body, *footers])


@dataclass(slots=True)
class _Run:
    """What one paragraph holds."""

    text: list[str] = field(default_factory=list)
    boxes: list[Node] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)


class _Document:
    """An open document, with its styles and notes at hand."""

    def __init__(self, archive: ZipFile) -> None:
        self._archive = archive
        self._styles = read_styles(archive)
        self._notes = dict(self._read_notes())

    def body(self) -> Iterator[Element]:
        """Yield the body's elements; memory stays small however long it is."""
        with member(self._archive, _main_part(self._archive)) as stream:
            for node in xml_events(stream):
                if local(node) in {"p", "tbl"} and _in_body(node):
                    yield from self._block(node)
                    _forget(node)

    def margins(self, kind: str) -> list[Element]:
        """Return each different header or footer once."""
        names = [name for name in members(self._archive) if _is_margin(name, kind)]
        texts = (_text_of(xml_root(self._archive, name)) for name in names)
        return [
            Element(kind=ElementKind.PARAGRAPH, text=text) for text in dict.fromkeys(texts) if text
        ]

    def _read_notes(self) -> Iterator[tuple[tuple[str, str], str]]:
        for kind in _NOTES.values():
            name = f"word/{kind}s.xml"
            if name in members(self._archive):
                for note in xml_root(self._archive, name):
                    yield (kind, attribute(note, "id")), _text_of(note)

    def _block(self, node: Node) -> Iterator[Element]:
        if local(node) == "tbl":
            yield Element(kind=ElementKind.TABLE, text="\n".join(_rows(node)))
        elif local(node) == "p":
            yield from self._paragraph(node)
        elif local(node) in _TRANSPARENT:
            yield from self._blocks(node)

    def _blocks(self, nodes: Iterable[Node]) -> Iterator[Element]:
        for node in nodes:
            yield from self._block(node)

    def _paragraph(self, node: Node) -> Iterator[Element]:
        run = _Run()
        _collect(node, run)
        yield self._element(node, "".join(run.text).strip())
        for box in run.boxes:
            yield from self._blocks(box)
        for note in run.notes:
            yield Element(kind=ElementKind.PARAGRAPH, text=self._notes.pop(note, ""))

    def _element(self, node: Node, text: str) -> Element:
        properties = child(node, "pPr")
        named = child(properties, "pStyle")
        style = self._styles.get(attribute(named, "val"), Style())
        outline = child(properties, "outlineLvl")
        level = style.level if outline is None else int(attribute(outline, "val") or 9) + 1
        if level is not None and 1 <= level <= 9:  # noqa: PLR2004 - 10 is body text
            return Element(kind=ElementKind.TITLE, text=" ".join(text.split()), level=level)
        numbered = child(child(properties, "numPr"), "numId")
        listed = style.listed if numbered is None else attribute(numbered, "val") != "0"
        return Element(kind=ElementKind.LIST_ITEM if listed else ElementKind.PARAGRAPH, text=text)


def _collect(node: Node, run: _Run) -> None:
    """Add what a reader sees below `node`; the depth is libxml2's limit of 256 at most."""
    for part in node:
        name = local(part)
        if name in _UNSEEN:
            continue
        if name == "t":
            run.text.append(part.text or "")
        elif name in _AS_TEXT:
            run.text.append(_AS_TEXT[name])
        elif name in _NOTES:
            run.notes.append((_NOTES[name], attribute(part, "id")))
        elif name == "txbxContent":
            run.boxes.append(part)
        elif name == "AlternateContent":
            # The same thing twice, for new readers and for old ones.
            _collect(part[:1], run)
        else:
            _collect(part, run)


def _text_of(node: Node) -> str:
    """Return the text of a note, a header or a cell: its paragraphs, one a line."""
    lines = []
    for paragraph in node.iter(f"{{{_namespace(node)}}}p"):
        run = _Run()
        _collect(paragraph, run)
        lines.append("".join(run.text).strip())
    return "\n".join(line for line in lines if line)


def _rows(table: Node) -> Iterator[str]:
    for row in table.iter(f"{{{_namespace(table)}}}tr"):
        # A row of a table inside a cell is part of that cell.
        if _owner(row) is table:
            cells = [" ".join(_cell(cell).split()) for cell in _cells(row)]
            if any(cells):
                yield " | ".join(cells)


def _cells(row: Node) -> Iterator[Node]:
    for node in row:
        if local(node) == "tc":
            yield node
        elif local(node) in _TRANSPARENT:
            yield from _cells(node)


def _cell(cell: Node) -> str:
    merged = child(child(cell, "tcPr"), "vMerge")
    if merged is not None and attribute(merged, "val") != "restart":
        return ""
    return _text_of(cell)


def _owner(node: Node) -> Node:
    return next(node.iterancestors(f"{{{_namespace(node)}}}tbl"), None)


def _in_body(node: Node) -> bool:
    above = next((one for one in node.iterancestors() if local(one) not in _TRANSPARENT), None)
    return above is not None and local(above) == "body"


def _forget(node: Node) -> None:
    node.clear()
    parent = node.getparent()
    while node.getprevious() is not None:
        del parent[0]


def _namespace(node: Node) -> str:
    return str(etree.QName(node).namespace)


def _is_margin(name: str, kind: str) -> bool:
    found = _MARGIN.fullmatch(name)
    return found is not None and found[1] == kind


def _main_part(archive: ZipFile) -> str:
    """Return the name of the document's own part: nearly always word/document.xml."""
    if "_rels/.rels" in members(archive):
        for relation in xml_root(archive, "_rels/.rels"):
            if str(relation.get("Type", "")).endswith("/officeDocument"):
                return str(relation.get("Target", "")).lstrip("/")
    return "word/document.xml"
