"""What Office Open XML packages have in common: relations between parts, and DrawingML's text.

ISO/IEC 29500-2 section 9.3 (relations), 29500-1 section 21 (DrawingML).
"""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from zipfile import ZipFile

from services.ingest_worker.parsing.office.docx_styles import Node, child, local
from services.ingest_worker.parsing.packages import members, xml_root

_BREAKS = {"br": "\n", "tab": "\t"}


@dataclass(frozen=True, slots=True)
class Relation:
    """Where a part points to: the last word of the relation's type, and the other part's name."""

    kind: str
    target: str


def relations(archive: ZipFile, part: str) -> dict[str, Relation]:
    """Return a part's relations to other parts of the package, by id; "" is the package itself."""
    folder, name = posixpath.split(part)
    where = posixpath.join(folder, "_rels", f"{name}.rels")
    if where not in members(archive):
        return {}
    nodes = xml_root(archive, where).iterchildren("{*}Relationship")
    inside = (node for node in nodes if node.get("TargetMode") != "External")
    return {str(node.get("Id", "")): _relation(folder, node) for node in inside}


def _relation(folder: str, node: Node) -> Relation:
    target = posixpath.normpath(posixpath.join("/", folder, str(node.get("Target", ""))))
    return Relation(str(node.get("Type", "")).rpartition("/")[2], target.lstrip("/"))


def main_part(archive: ZipFile, usual: str) -> str:
    """Return the name of the part a package is about."""
    found = (one.target for one in relations(archive, "").values() if one.kind == "officeDocument")
    return next(found, usual)


def related(archive: ZipFile, part: str, kind: str) -> Iterator[str]:
    """Yield the parts of a kind that a part points to and that are there."""
    for relation in relations(archive, part).values():
        if relation.kind == kind and relation.target in members(archive):
            yield relation.target


def relation_id(node: Node, name: str = "id") -> str:
    """Return an attribute in one of the namespaces of relations."""
    found = (str(value) for key, value in node.attrib.items() if key.endswith(f"s}}{name}"))
    return next(found, "")


def paragraphs(body: Node) -> Iterator[tuple[Node, str]]:
    """Yield each of a DrawingML text body's paragraphs with its text, "" included."""
    for paragraph in body.iterchildren("{*}p"):
        yield paragraph, "".join(_runs(paragraph)).strip()


def _runs(paragraph: Node) -> Iterator[str]:
    for run in paragraph:
        name = local(run)
        if name in _BREAKS:
            yield _BREAKS[name]
        elif name in {"r", "fld"}:
            yield str(run.findtext("{*}t") or "")
        elif name == "m":  # A formula: its characters, in order.
            yield "".join(node.text or "" for node in run.iterdescendants("{*}t"))


def lines(node: Node) -> list[str]:
    """Return every paragraph of text anywhere below a node, each once."""
    found = (text for body in node.iter("{*}txBody", "{*}t") for text in _lines(body))
    return list(dict.fromkeys(text for text in found if text))


def _lines(body: Node) -> Iterator[str]:
    # SmartArt keeps its text in a body that is itself called `t`.
    for _, text in paragraphs(body):
        yield text


def table_rows(table: Node) -> Iterator[str]:
    """Yield a DrawingML table's rows, cells joined; a merged cell's text comes once."""
    for row in table.iterchildren("{*}tr"):
        cells = [" ".join(_cell(cell).split()) for cell in row.iterchildren("{*}tc")]
        if any(cells):
            yield " | ".join(cells)


def _cell(cell: Node) -> str:
    body = child(cell, "txBody")
    if body is None or cell.get("hMerge") == "1" or cell.get("vMerge") == "1":
        return ""
    return " ".join(text for _, text in paragraphs(body))


def chart_lines(archive: ZipFile, part: str) -> list[str]:
    """Return a chart's titles, the names of its series and of its categories, each once."""
    root = xml_root(archive, part)
    titles = [text for rich in root.iter("{*}rich") for _, text in paragraphs(rich)]
    names = [_values(node) for kind in ("tx", "cat") for node in root.iter(f"{{*}}{kind}")]
    return list(dict.fromkeys(text for text in (*titles, *names) if text))


def _values(node: Node) -> str:
    caches = node.iter("{*}strCache")
    return ", ".join((value.text or "").strip() for cache in caches for value in cache.iter("{*}v"))
