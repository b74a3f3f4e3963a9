"""Lines of a PDF page into elements: paragraphs joined, hyphens closed, titles told by size.

Knows no PDF library: lines come in with their boxes, in the order the page draws them, which
is reading order in nearly every text document.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

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
# A page with less on it has nothing to tell its number from.
MIN_LINES = 3
MAX_FRONT_MATTER = 60
MAX_COORDINATE = 100_000.0

_MARKS = re.compile(r"[\W_]+")
_PAGE_NUMBER = re.compile(r"\W*(?:(?:page\s*)?(\d{1,5})|[ivxl]{1,8})\W*", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?:;…][\W_]*\Z")


@dataclass(slots=True)
class Line:
    """One line of text; the origin is the page's top left corner as a reader sees it."""

    text: str
    x0: float
    top: float
    x1: float
    bottom: float
    height: float
    hyphenated: bool = False
    level: int | None = None


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


def page_elements(lines: list[Line], page: int, profile: Profile) -> list[Element]:
    """Return the elements of one page."""
    lines = _without_number(lines, page)
    step = _usual_step(lines)
    blocks: list[list[Line]] = []
    for line in lines:
        line.level = profile.level(line, page)
        if blocks and _continues(blocks[-1], line, step):
            blocks[-1].append(line)
        else:
            blocks.append([line])
    return [_element(block, page) for block in blocks]


def _without_number(lines: list[Line], page: int) -> list[Line]:
    """Leave out the page's own number, drawn first or last at its head or foot."""
    if len(lines) < MIN_LINES:
        return lines
    top, bottom = min(line.top for line in lines), max(line.bottom for line in lines)
    if _is_number(lines[0], page) and (lines[0].top == top or lines[0].bottom == bottom):
        return lines[1:]
    if _is_number(lines[-1], page) and (lines[-1].top == top or lines[-1].bottom == bottom):
        return lines[:-1]
    return lines


def _is_number(line: Line, page: int) -> bool:
    found = _PAGE_NUMBER.fullmatch(line.text)
    if found is None:
        return False
    # Front matter is counted apart, so a page's number is at most a little below its place.
    return found[1] is None or page - MAX_FRONT_MATTER <= int(found[1]) <= page + 1


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
    height = above.height
    if line.level != above.level:
        return False
    if _same_row(above, line) or above.hyphenated:
        return True
    if abs(line.height - height) > 0.2 * height:
        return False
    if not 0 < line.top - above.top <= NEW_BLOCK_STEP * step * height:
        return False
    if line.x0 >= above.x1 or line.x1 <= above.x0:
        return False
    return not _indented(block, line)


def _same_row(above: Line, line: Line) -> bool:
    shared = min(above.bottom, line.bottom) - max(above.top, line.top)
    return shared > 0.5 * min(above.height, line.height)


def _indented(block: list[Line], line: Line) -> bool:
    """Tell the first line of a paragraph that is set off by its indentation alone."""
    above = block[-1]
    indent = line.x0 - min(block[0].x0, above.x0)
    set_off = 0.7 * line.height < indent < 5 * line.height
    return set_off and _SENTENCE_END.search(above.text) is not None


def _element(block: list[Line], page: int) -> Element:
    x0, x1 = min(line.x0 for line in block), max(line.x1 for line in block)
    box = Box(
        page=page,
        x0=_rounded(x0),
        y0=_rounded(min(line.top for line in block)),
        x1=_rounded(x1),
        y1=_rounded(max(line.bottom for line in block)),
    )
    level = block[0].level
    kind = ElementKind.PARAGRAPH if level is None else ElementKind.TITLE
    full = x1 if level is not None else x0 + FULL_LINE * (x1 - x0)
    return Element(kind=kind, text=_joined(block, full), page=page, level=level, box=box)


def _joined(block: list[Line], full: float) -> str:
    parts = [block[0].text]
    for i in range(1, len(block)):
        above, line = block[i - 1], block[i]
        if above.hyphenated:
            # Two halves on one row: that was no line's end, and the hyphen belongs there.
            parts.append("-" if _same_row(above, line) else "")
        elif above.x1 >= full or _same_row(above, line) or line.level is not None:
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
