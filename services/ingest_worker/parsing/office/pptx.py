"""Presentations of PowerPoint 2007 and later (pptx, pptm): a page for each slide.

The format is ISO/IEC 29500-1 section 19; a slide's shapes are read in the order screen readers
use, its title first.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from zipfile import ZipFile

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.office.docx_styles import Node, child, local
from services.ingest_worker.parsing.office.ooxml import (
    chart_lines,
    lines,
    main_part,
    paragraphs,
    related,
    relation_id,
    relations,
    table_rows,
)
from services.ingest_worker.parsing.office.sheets import without_text
from services.ingest_worker.parsing.office_types import PPTX
from services.ingest_worker.parsing.packages import members, xml_root
from shared.models import Element, ElementKind

_TITLES = frozenset(("title", "ctrTitle"))
# A number and a picture of the slide: nothing to find.
_UNREAD = frozenset(("sldNum", "sldImg"))
_BODIES = frozenset(("", "obj", "body"))


class PptxParser:
    """Reads each slide's shapes, tables, charts and SmartArt, then its comments and its notes.

    Hidden slides are read too. What a slide takes from its layout is no text of its own.
    """

    name = "pptx/1"
    media_types = frozenset({PPTX})

    def plan(self, source: Source) -> int:
        """Count the slides."""
        with ZipFile(source.path) as archive:
            return max(1, len(_slides(archive)))

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the slides of `pages`."""
        elements, warnings = [], []
        with ZipFile(source.path) as archive:
            slides = list(enumerate(_slides(archive), 1))
            wanted = [one for one in slides if pages is None or one[0] in pages]
            for page, part in wanted:
                found = [one for one in _Slide(archive, part, page).elements() if one.text]
                elements += found
                warnings += [] if found else [without_text("Slide", "", page)]
        return Parsed(elements, max(1, len(wanted)), warnings)


def _slides(archive: ZipFile) -> list[str]:
    """Return the slides' parts in the order they are shown."""
    part = main_part(archive, "ppt/presentation.xml")
    found = relations(archive, part)
    slides = child(xml_root(archive, part), "sldIdLst")
    ids = [] if slides is None else [relation_id(one) for one in slides.iterchildren("{*}sldId")]
    return [found[one].target for one in ids if one in found]


@dataclass(frozen=True, slots=True)
class _Slide:
    archive: ZipFile
    part: str
    page: int

    def elements(self) -> Iterator[Element]:
        """Yield the slide's elements, its title before everything else."""
        if self.part not in members(self.archive):
            return
        shapes = list(_shapes(xml_root(self.archive, self.part)))
        shapes.sort(key=lambda shape: _placeholder(shape) not in _TITLES)
        seen: set[str] = set()
        for shape in shapes:
            for element in self._shape(shape):
                seen.add(element.text)
                yield element
        for text in self._beside():
            if text not in seen:
                yield self._element(ElementKind.PARAGRAPH, text)

    def _shape(self, shape: Node) -> Iterator[Element]:
        kind = _placeholder(shape)
        if kind in _UNREAD:
            return
        if local(shape) == "graphicFrame":
            yield from self._graphic(shape)
        elif kind in _TITLES:
            text = " ".join(text for text in _texts(shape) if text)
            yield Element(
                kind=ElementKind.TITLE, text=" ".join(text.split()), level=1, page=self.page
            )
        else:
            yield from self._body(shape, listed=kind in _BODIES)

    def _body(self, shape: Node, *, listed: bool) -> Iterator[Element]:
        body = child(shape, "txBody")
        for paragraph, text in () if body is None else paragraphs(body):
            bullet = _bullet(child(paragraph, "pPr"))
            is_item = listed if bullet is None else bullet
            yield self._element(ElementKind.LIST_ITEM if is_item else ElementKind.PARAGRAPH, text)

    def _graphic(self, frame: Node) -> Iterator[Element]:
        """Yield a table as a whole; a chart's or a diagram's texts one by one."""
        for table in frame.iter("{*}tbl"):
            yield self._element(ElementKind.TABLE, "\n".join(table_rows(table)))
        found = relations(self.archive, self.part)
        for node in frame.iter("{*}chart", "{*}relIds"):
            to = found.get(relation_id(node) or relation_id(node, "dm"))
            if to is None or to.target not in members(self.archive):
                continue
            chart = local(node) == "chart"
            texts = chart_lines(self.archive, to.target) if chart else self._diagram(to.target)
            for text in texts:
                yield self._element(ElementKind.PARAGRAPH, text)

    def _diagram(self, part: str) -> list[str]:
        return lines(xml_root(self.archive, part))

    def _beside(self) -> Iterator[str]:
        """Yield the slide's comments, and the text of its notes page."""
        for part in related(self.archive, self.part, "comments"):
            root = xml_root(self.archive, part)
            yield from lines(root)
            yield from (str(node.text or "").strip() for node in root.iter("{*}text"))
        for part in related(self.archive, self.part, "notesSlide"):
            for shape in _shapes(xml_root(self.archive, part)):
                if _placeholder(shape) not in _UNREAD:
                    yield "\n".join(text for text in _texts(shape) if text)

    def _element(self, kind: ElementKind, text: str) -> Element:
        return Element(kind=kind, text=text, page=self.page)


def _shapes(root: Node) -> Iterator[Node]:
    """Yield a slide's shapes in order, those of groups in their place."""
    tree = child(child(root, "cSld"), "spTree")
    yield from () if tree is None else _leaves(tree)


def _leaves(nodes: Iterable[Node]) -> Iterator[Node]:
    for node in nodes:
        name = local(node)
        if name == "grpSp":
            yield from _leaves(node)
        elif name == "AlternateContent":
            # The same shape twice, for new readers and for old ones.
            yield from _leaves(node[0] if len(node) else ())
        elif name in {"sp", "graphicFrame"}:
            yield node


def _placeholder(shape: Node) -> str | None:
    """Return which placeholder a shape fills, "" for a general one; None if it is none."""
    properties = next((one for one in shape if local(one).startswith("nv")), None)
    place = child(child(properties, "nvPr"), "ph")
    return None if place is None else str(place.get("type", ""))


def _texts(shape: Node) -> list[str]:
    body = child(shape, "txBody")
    return [] if body is None else [text for _, text in paragraphs(body)]


def _bullet(properties: Node | None) -> bool | None:
    """Tell whether a paragraph says itself that it has a bullet, or that it has none."""
    if properties is None:
        return None
    names = {local(one) for one in properties}
    if "buNone" in names:
        return False
    return True if names & {"buChar", "buAutoNum", "buBlip"} else None
