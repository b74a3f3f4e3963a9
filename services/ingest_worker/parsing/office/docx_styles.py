"""Which of a Word document's styles are headings and lists, and how to look at its XML."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zipfile import ZipFile

from services.ingest_worker.parsing.packages import content_of, members, xml_tree

# `Any`: lxml ships no types.
Node = Any

STYLES = "word/styles.xml"
_HEADING = re.compile(r"heading ([1-9])", re.IGNORECASE)
# Styles may stand on one another; a damaged file's may do so in a circle.
MAX_BASES = 12
# Most documents have the styles of a few templates, of 30 to 400 KB.
KEPT_STYLES, KEPT_BYTES = 8, 1024 * 1024


@dataclass(frozen=True, slots=True)
class Style:
    """What a paragraph style makes of a paragraph: a title of a level, a list item, or neither."""

    level: int | None = None
    listed: bool = False


def read_styles(archive: ZipFile) -> Mapping[str, Style]:
    """Return the paragraph styles of a document by their id."""
    if STYLES not in members(archive):
        return {}
    content = content_of(archive, STYLES)
    return _known_styles(content) if len(content) <= KEPT_BYTES else _styles(content)


@lru_cache(KEPT_STYLES)
def _known_styles(content: bytes) -> Mapping[str, Style]:
    return _styles(content)


def _styles(content: bytes) -> Mapping[str, Style]:
    found = xml_tree(content).iterchildren("{*}style")
    nodes = {attribute(node, "styleId"): node for node in found}
    return {key: _style(nodes, key) for key in nodes}


def _style(nodes: dict[str, Node], key: str) -> Style:
    level, listed = None, False
    for _ in range(MAX_BASES):
        node = nodes.get(key) if key else None
        if node is None:
            break
        level = level or _level(node)
        listed = listed or child(child(node, "pPr"), "numPr") is not None
        key = attribute(child(node, "basedOn"), "val")
    return Style(level, listed)


def _level(style: Node) -> int | None:
    name = attribute(child(style, "name"), "val")
    if found := _HEADING.fullmatch(name):
        return int(found[1])
    outline = attribute(child(child(style, "pPr"), "outlineLvl"), "val")
    if outline.isdecimal():
        return int(outline) + 1
    return 1 if name.lower() == "title" else None


def local(node: Node) -> str:
    """Return a node's name without its namespace; strict documents use another one."""
    return str(node.tag).rpartition("}")[2]


def child(node: Node | None, name: str) -> Node | None:
    """Return the first child of this local name; None of None."""
    return None if node is None else node.find(f"{{*}}{name}")


def attribute(node: Node | None, name: str) -> str:
    """Return an attribute in the node's own namespace, "" when it is not there."""
    if node is None:
        return ""
    namespace = str(node.tag).partition("}")[0]
    return str(node.get(f"{namespace}}}{name}", ""))
