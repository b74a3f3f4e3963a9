"""A PDF page's content into elements: paragraphs joined, hyphens closed, titles and lists told.

Knows no PDF library: lines come in with their boxes, in the order the page draws them, which
is reading order in nearly every text document.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from services.ingest_worker.parsing.pdf.columns import tables_among
from services.ingest_worker.parsing.pdf.furniture import without_furniture
from services.ingest_worker.parsing.pdf.grids import ruled_tables
from services.ingest_worker.parsing.pdf.lines import (
    Item,
    Line,
    PageContent,
    Table,
    marks_item,
    pieces,
    same_row,
)
from services.ingest_worker.parsing.pdf.order import in_order
from services.ingest_worker.parsing.pdf.space import turned_back
from shared.models import Box, Element, ElementKind

# A line this much taller than the document's body is a title; the taller, the higher its level.
TITLE_RATIOS = ((1.75, 1), (1.4, 2), (1.15, 3))
MAX_TITLE_CHARS = 160
# With fewer bookmarks than this the outline says nothing about the text's sections.
MIN_OUTLINE = 3
# Steps between lines, as shares of a line's height or of the page's usual step.
DEFAULT_STEP, NEW_BLOCK_STEP = 1.35, 1.25
# A line that ends this near to its block's right edge goes on in the next.
FULL_LINE = 0.85
# A bold line of its own is a title below those told by size.
BOLD_LEVEL, MAX_BOLD_CHARS = 4, 100
MAX_COORDINATE = 100_000.0

_MARKS = re.compile(r"[\W_]+")
_SENTENCE_END = re.compile(r"[.!?:;…][\W_]*\Z")


# Lines that belong together, or a table.
Block = list[Line] | Table


@dataclass(frozen=True, slots=True)
class Profile:
    """What tells titles from text in one document: its outline if it has one, else line heights.

    `outline` maps a page (from 1) to the titles on it, in `plain` form, with their levels.
    """

    body: float
    outline: Mapping[int, Mapping[str, int]] = field(default_factory=dict)

    def level(self, line: Line, page: int) -> int | None:
        """Return the level if the line is a title."""
        if len(line.text) > MAX_TITLE_CHARS:
            return None
        if self.outline:
            titles = self.outline.get(page)
            return _matching(plain(line.text), titles) if titles else None
        if not self.body or line.height < self.body * TITLE_RATIOS[-1][0]:
            return None
        if sum(map(str.isalpha, line.text)) < 3:  # noqa: PLR2004 - a page number, an ornament
            return None
        return next(level for ratio, level in TITLE_RATIOS if line.height >= self.body * ratio)


def plain(text: str) -> str:
    """Return a title's letters and digits alone, for comparing."""
    return _MARKS.sub("", text).casefold()


def _matching(text: str, titles: Mapping[str, int]) -> int | None:
    """Find a line among its page's titles, with or without a number in front."""
    if not text:
        return None
    if text in titles:
        return titles[text]
    for title, level in titles.items():
        longer, shorter = (text, title) if len(text) > len(title) else (title, text)
        if longer.endswith(shorter) and re.fullmatch(
            r"(chapter|section)?\d{1,6}|[a-z]\d{0,4}", longer[: -len(shorter)]
        ):
            return level
    return None


def body_height(lines: Iterable[Line]) -> float:
    """Return the line height that most characters have, to half a point; 0 without text."""
    heights: Counter[float] = Counter()
    for line in lines:
        heights[round(line.height * 2) / 2] += len(line.text)
    return heights.most_common(1)[0][0] if heights else 0.0


def page_items(content: PageContent, page: int, before: Mapping[int, Sequence[Line]]) -> list[Item]:
    """Return a page's lines and tables in reading order, without its running heads and feet.

    `before` has the lines at the edges of the pages before it, by page.
    """
    tables = ruled_tables(content.lines, content.rulings)
    taken = {at: table for table, places in tables for at in places}
    free = PageContent(
        [line for at, line in enumerate(content.lines) if at not in taken],
        width=content.width,
        height=content.height,
    )
    kept = {id(line) for line in without_furniture(free, page, before)}
    items: list[Item] = []
    run: list[Line] = []
    placed: set[int] = set()
    for at, line in enumerate(content.lines):
        table = taken.get(at)
        if table is None and id(line) in kept:
            run.extend(pieces(line))
        elif table is not None and id(table) not in placed:
            placed.add(id(table))
            items += [*tables_among(run), table]
            run = []
    return in_order([*items, *tables_among(run)])


def page_elements(
    items: Sequence[Item], page: int, profile: Profile, content: PageContent
) -> list[Element]:
    """Return the elements of one page: its items joined, their boxes where a reader sees them."""
    return [_element(block, page, content) for block in _blocks(items, page, profile)]


def _row(cells: Sequence[str]) -> str:
    return " | ".join(" ".join(cell.split()) for cell in cells)


def _blocks(items: Sequence[Item], page: int, profile: Profile) -> list[Block]:
    lines = [one for one in items if isinstance(one, Line)]
    step = _usual_step(lines)
    for line in lines:
        line.level = profile.level(line, page)
    _tell_bold(items, profile)
    blocks: list[Block] = []
    for item in items:
        above = blocks[-1] if blocks else None
        if isinstance(item, Table):
            blocks.append(item)
        elif isinstance(above, list) and _continues(above, item, step):
            above.append(item)
        else:
            blocks.append([item])
    return blocks


def _tell_bold(items: Sequence[Item], profile: Profile) -> None:
    """Make short bold lines titles that text of another weight follows."""
    if profile.outline or not profile.body:
        return
    for at, line in enumerate(items):
        if not isinstance(line, Line) or line.level is not None or not _may_head(line):
            continue
        below = items[at + 1] if at + 1 < len(items) else None
        above = items[at - 1] if at else None
        alone = not isinstance(above, Line) or not same_row(above, line)
        if alone and below is not None and not (isinstance(below, Line) and _bound(line, below)):
            line.level = BOLD_LEVEL


def _may_head(line: Line) -> bool:
    return (
        line.bold
        and not line.turned
        and len(line.text) <= MAX_BOLD_CHARS
        and not _SENTENCE_END.search(line.text)
        and sum(map(str.isalpha, line.text)) > 2  # noqa: PLR2004 - a number, an ornament
    )


def _bound(line: Line, below: Line) -> bool:
    """Tell whether what follows a bold line goes on with it."""
    return below.bold or same_row(line, below) or line.hyphenated


def _usual_step(lines: list[Line]) -> float:
    """Return the median distance from line to line, as a share of a line's height."""
    steps = []
    for i in range(1, len(lines)):
        above, line = lines[i - 1], lines[i]
        step = line.top - above.top
        if above.height and 0 < step < 3 * above.height:
            steps.append(step / above.height)
    return sorted(steps)[len(steps) // 2] if len(steps) > 2 else DEFAULT_STEP  # noqa: PLR2004


def _continues(block: list[Line], line: Line, step: float) -> bool:
    above = block[-1]
    if line.level != above.level or line.turned != above.turned:
        return False
    if same_row(above, line) or above.hyphenated:
        return True
    if line.level is None and _starts_item(block, line):
        return False
    return _below(above, line, step) and not _indented(block, line)


def _below(above: Line, line: Line, step: float) -> bool:
    """Tell whether a line stands under another at the page's usual distance, of the same size."""
    height = above.height
    return (
        abs(line.height - height) <= 0.2 * height
        and 0 < line.top - above.top <= NEW_BLOCK_STEP * step * height
        and above.x0 < line.x1
        and line.x0 < above.x1
    )


def _starts_item(block: list[Line], line: Line) -> bool:
    """Tell an item of a list: a bullet always, a number after another item or a sentence's end."""
    marker, _, rest = line.text.partition(" ")
    if not rest or not marks_item(marker):
        return False
    if not marker.strip("()").rstrip(".)").isalnum():
        return True
    first = block[0].text.partition(" ")[0]
    return marks_item(first) or _SENTENCE_END.search(block[-1].text) is not None


def _indented(block: list[Line], line: Line) -> bool:
    """Tell the first line of a paragraph that is set off by its indentation alone."""
    above = block[-1]
    indent = line.x0 - min(block[0].x0, above.x0)
    set_off = 0.7 * line.height < indent < 5 * line.height
    return set_off and _SENTENCE_END.search(above.text) is not None


def _box(block: Sequence[Item], page: int, content: PageContent) -> Box:
    around = (
        min(one.x0 for one in block),
        min(one.top for one in block),
        max(one.x1 for one in block),
        max(one.bottom for one in block),
    )
    seen = turned_back(around, content.quarter, content.width, content.height)
    x0, y0, x1, y1 = map(_rounded, seen)
    return Box(page=page, x0=x0, y0=y0, x1=x1, y1=y1)


def _element(block: Block, page: int, content: PageContent) -> Element:
    if isinstance(block, Table):
        text = "\n".join(map(_row, block.rows))
        box = _box([block], page, content)
        return Element(kind=ElementKind.TABLE, text=text, page=page, box=box)
    x0, x1 = min(line.x0 for line in block), max(line.x1 for line in block)
    level = block[0].level
    full = x1 if level is not None else x0 + FULL_LINE * (x1 - x0)
    text, box = _joined(block, full), _box(block, page, content)
    return Element(kind=_kind(text, level), text=text, page=page, level=level, box=box)


def _kind(text: str, level: int | None) -> ElementKind:
    if level is not None:
        return ElementKind.TITLE
    marker, _, rest = text.partition(" ")
    return ElementKind.LIST_ITEM if rest and marks_item(marker) else ElementKind.PARAGRAPH


def _joined(block: list[Line], full: float) -> str:
    parts = [block[0].text]
    for i in range(1, len(block)):
        above, line = block[i - 1], block[i]
        if above.hyphenated:
            # Two halves on one row: that was no line's end, and the hyphen belongs there.
            parts.append("-" if same_row(above, line) else "")
        elif above.x1 >= full or same_row(above, line) or line.level is not None:
            parts.append(" ")
        else:
            parts.append("\n")
        parts.append(line.text)
    return "".join(parts)


def _rounded(value: float) -> float:
    """Return tenths of a point; damaged files put text at any number, even none."""
    if value != value:  # noqa: PLR0124 - not a number
        return 0.0
    return round(max(-MAX_COORDINATE, min(MAX_COORDINATE, value)), 1)
