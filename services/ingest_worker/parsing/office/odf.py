"""OpenDocument (odt, odp, ods and their flat forms): its XML's text, its encryption, its places.

The format is ISO/IEC 26300-1 (OpenDocument 1.2 and 1.3, part 3).
"""

import contextlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from services.ingest_worker.parsing.office.docx_styles import Node, attribute, local
from services.ingest_worker.parsing.packages import (
    limited,
    member,
    members,
    xml_events,
    xml_root,
)
from shared.errors import FileEncrypted
from shared.models import Element, ElementKind

MANIFEST = "META-INF/manifest.xml"
MAX_CONTENT_BYTES = 512 * 1024 * 1024
# Deleted text, forms' scripts and pictures as base64: in the file, not in the document. A note's
# mark is the number that refers to it.
_UNSEEN = frozenset(
    (
        *("tracked-changes", "binary-data", "script", "event-listeners", "note-citation"),
        *("forms", "page-number", "page-count"),
    )
)
_AS_TEXT = {"tab": "\t", "line-break": "\n"}
_MAX_SPACES = 1000


@contextlib.contextmanager
def opened(path: Path, part: str, *tags: str) -> Iterator[Iterator[Node]]:
    """Give the elements of a part as they are complete; a flat file is all parts in one.

    Raises:
        FileEncrypted: the package is behind a password.
        FileCorrupt: it lacks the part.
    """
    if not zipfile.is_zipfile(path):
        with limited(path.open("rb"), MAX_CONTENT_BYTES) as stream:
            yield xml_events(stream, *tags)
        return
    with zipfile.ZipFile(path) as archive:
        _refuse_encrypted(archive)
        with member(archive, part, MAX_CONTENT_BYTES) as stream:
            yield xml_events(stream, *tags)


def has_part(path: Path, part: str) -> bool:
    """Tell whether a package has a part; a flat file has them all."""
    if not zipfile.is_zipfile(path):
        return True
    with zipfile.ZipFile(path) as archive:
        return part in members(archive)


def _refuse_encrypted(archive: zipfile.ZipFile) -> None:
    if MANIFEST in members(archive):
        root = xml_root(archive, MANIFEST)
        if next(root.iter("{*}encryption-data"), None) is not None:
            raise FileEncrypted


@dataclass(slots=True)
class Run:
    """What a paragraph holds: its text, and what hangs on it."""

    text: list[str] = field(default_factory=list)
    aside: list[Node] = field(default_factory=list)


def collect(node: Node, run: Run) -> None:
    """Add what a reader sees below `node`; notes, comments and frames are put aside."""
    run.text.append(node.text or "")
    for part in node:
        name = local(part)
        if name in _AS_TEXT:
            run.text.append(_AS_TEXT[name])
        elif name == "s":
            count = attribute(part, "c")
            run.text.append(" " * min(int(count or 1), _MAX_SPACES))
        elif name in {"note", "annotation"} or _namespace(part).endswith(":drawing:1.0"):
            run.aside.append(part)
        elif name not in _UNSEEN:
            collect(part, run)
        run.text.append(part.tail or "")


def text_of(node: Node) -> str:
    """Return all the text below a node, a paragraph or heading a line."""
    return "\n".join(one.text for one in blocks(node, 1) if one.text)


def blocks(node: Node, page: int) -> Iterator[Element]:
    """Yield the elements below a node, or the one it is; `page` is where they stand."""
    name = local(node)
    if name in {"p", "h"}:
        yield from _paragraph(node, page)
    elif name == "table":
        yield Element(kind=ElementKind.TABLE, text="\n".join(table_rows(node)), page=page)
    elif name not in _UNSEEN:
        for part in node:
            if isinstance(part.tag, str):
                yield from blocks(part, page)


def _paragraph(node: Node, page: int) -> Iterator[Element]:
    run = Run()
    collect(node, run)
    text = "".join(run.text).strip()
    level = attribute(node, "outline-level") or "1"
    if local(node) == "h":
        depth = min(max(int(level), 1), 9)
        one_line = " ".join(text.split())
        yield Element(kind=ElementKind.TITLE, text=one_line, level=depth, page=page)
    else:
        listed = any(local(one) == "list-item" for one in node.iterancestors())
        kind = ElementKind.LIST_ITEM if listed else ElementKind.PARAGRAPH
        yield Element(kind=kind, text=text, page=page)
    for aside in run.aside:
        yield from _aside(aside, page)


def _aside(node: Node, page: int) -> Iterator[Element]:
    """Yield a note's, a comment's or a frame's text, without its author and date."""
    for part in node:
        if local(part) not in {"creator", "date", "date-string", *_UNSEEN}:
            yield from blocks(part, page)


def table_rows(table: Node) -> Iterator[str]:
    """Yield a table's rows, cells joined; a table inside a cell is part of that cell."""
    for row in table.iter("{*}table-row"):
        if next(row.iterancestors("{*}table")) is table:
            cells = [" ".join(text_of(cell).split()) for cell in row if _is_cell(cell)]
            if any(cells):
                yield " | ".join(cells)


def _is_cell(node: Node) -> bool:
    return local(node) in {"table-cell", "covered-table-cell"}


def _namespace(node: Node) -> str:
    return str(node.tag).partition("}")[0]


def forget(node: Node) -> None:
    """Drop an element that was read, and all before it."""
    node.clear()
    parent = node.getparent()
    while parent is not None and node.getprevious() is not None:
        del parent[0]
