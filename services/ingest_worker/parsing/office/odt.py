"""Text documents and presentations in OpenDocument: paragraphs, or a page for each slide."""

from collections.abc import Iterator

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.office.docx_styles import Node, local
from services.ingest_worker.parsing.office.odf import blocks, forget, has_part, opened, text_of
from services.ingest_worker.parsing.office.sheets import title, without_text
from services.ingest_worker.parsing.office_types import ODP, ODT
from shared.models import Element, ElementKind

CONTENT = "content.xml"
STYLES = "styles.xml"
# What may stand between a document's body and its blocks.
_TRANSPARENT = frozenset(("section", "index-body", "text"))
_BLOCKS = frozenset(
    ("p", "h", "list", "table", "numbered-paragraph", "index-title", "frame", "g", "custom-shape")
)
_INDEXES = frozenset(
    (
        *("table-of-content", "alphabetical-index", "illustration-index", "table-index"),
        *("object-index", "user-index", "bibliography"),
    )
)
_MARGINS = frozenset(
    f"{kind}{which}" for kind in ("header", "footer") for which in ("", "-left", "-first")
)


class OdtParser:
    """Reads a text document's body with notes and comments in their place, and its margins.

    Tracked deletions are not read. Headers and footers come once each, headers first.
    """

    name = "odt/1"
    media_types = frozenset({ODT})

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the document; margins alone are no text."""
        del pages
        with opened(source.path, CONTENT) as nodes:
            body = [one for node in nodes if _in_body(node) for one in _taken(node) if one.text]
        if not body or not has_part(source.path, STYLES):
            return Parsed(body)
        with opened(source.path, STYLES, "{*}master-styles") as styles:
            margins = [one for style in styles for one in _margins(style)]
        headers = [text for kind, text in margins if kind.startswith("header")]
        footers = [text for kind, text in margins if kind.startswith("footer")]
        return Parsed([*_lines(headers), *body, *_lines(footers)])


def _taken(node: Node) -> Iterator[Element]:
    yield from blocks(node, 1)
    forget(node)


def _in_body(node: Node) -> bool:
    if local(node) not in _BLOCKS:
        return False
    above = [local(one) for one in node.iterancestors()]
    outside = next((n for n, name in enumerate(above) if name == "body"), None)
    return outside is not None and set(above[:outside]) <= _TRANSPARENT | _INDEXES


def _margins(styles: Node) -> Iterator[tuple[str, str]]:
    for node in styles.iter():
        if local(node) in _MARGINS:
            yield local(node), text_of(node)


def _lines(texts: list[str]) -> list[Element]:
    found = dict.fromkeys(text for text in texts if text)
    return [Element(kind=ElementKind.PARAGRAPH, text=text) for text in found]


class OdpParser:
    """Reads each slide's (or drawing page's) title, shapes, tables, comments and notes."""

    name = "odp/1"
    media_types = frozenset({ODP})

    def plan(self, source: Source) -> int:
        """Count the slides."""
        with opened(source.path, CONTENT, "{*}page") as nodes:
            return max(1, sum(1 for node in nodes if _passed(node)))

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the slides of `pages`."""
        elements, warnings, count = [], [], 0
        with opened(source.path, CONTENT, "{*}page") as nodes:
            for page, node in enumerate((one for one in nodes if _is_slide(one)), 1):
                if pages is None or page in pages:
                    found = list(_slide(node, page))
                    elements += found
                    warnings += [] if found else [without_text("Slide", "", page)]
                    count += 1
                forget(node)
        return Parsed(elements, max(1, count), warnings)


def _passed(node: Node) -> bool:
    slide = _is_slide(node)
    forget(node)
    return slide


def _is_slide(node: Node) -> bool:
    return local(node.getparent()) in {"presentation", "drawing"}


def _slide(page_node: Node, page: int) -> Iterator[Element]:
    """Yield a slide's title first, then everything else in the file's order."""
    shapes = sorted(page_node, key=lambda shape: not _is_title(shape))
    for shape in shapes:
        if _is_title(shape):
            yield title(text_of(shape), page)
        elif local(shape) not in {"creator", "date"}:
            yield from (one for one in blocks(shape, page) if one.text)


def _is_title(shape: Node) -> bool:
    kinds = (str(value) for key, value in shape.attrib.items() if key.endswith("}class"))
    return next(kinds, "") == "title" and bool(text_of(shape))
