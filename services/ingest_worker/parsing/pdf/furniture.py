"""What stands on every page and says nothing of this one: running heads and feet, page numbers.

Only what stood at the same place on several pages before is left out: a head is found on those
where it first appears, and a form of three pages keeps all it says.
"""

import re
from collections.abc import Mapping, Sequence

from services.ingest_worker.parsing.pdf.lines import Line, PageContent

# How far from the page's top and bottom they stand, as a share of its height.
ZONE = 0.12
NEAR = 4.0
# It must have been there this often on so many pages before; left and right pages may differ.
PAGES_BACK, SEEN = 6, 3
# What leaves less of a page than this is its text.
MIN_LEFT_SHARE = 0.5
# A page with less on it has nothing to tell its number from.
MIN_LINES = 3
MAX_FRONT_MATTER = 60
MAX_NUMBER_DIGITS = 5
# Small print that fills an edge is no running head, and comparing much of it would take long.
MAX_EDGE_LINES = 60

_PAGE_NUMBER = re.compile(r"\W*(?:(?:page\s*)?(\d{1,5})|[ivxl]{1,8})\W*", re.IGNORECASE)
_NUMBERS = re.compile(r"(\d+)")


def without_furniture(
    content: PageContent, page: int, before: Mapping[int, Sequence[Line]]
) -> list[Line]:
    """Return a page's lines without its running heads and feet, and without its number.

    `before` has the lines at the edges of the pages before it, by page.
    """
    lines = without_number(content.lines, page)
    at_edges = [at for at, line in enumerate(lines) if in_zone(line, content.height)]
    if len(at_edges) > MAX_EDGE_LINES:
        return lines
    repeated = [at for at in at_edges if _times(lines[at], page, before) >= SEEN]
    left = len(lines) - len(repeated)
    if not repeated or left < max(MIN_LINES, MIN_LEFT_SHARE * len(lines)):
        return lines
    gone = set(repeated)
    return [line for at, line in enumerate(lines) if at not in gone]


def _times(line: Line, page: int, before: Mapping[int, Sequence[Line]]) -> int:
    """Return on how many of the pages before a line stood."""
    return sum(
        any(_same(line, other, page - earlier) for other in before.get(earlier, ()))
        for earlier in range(page - PAGES_BACK, page)
    )


def edge_lines(content: PageContent) -> list[Line]:
    """Return the lines that may be running heads and feet."""
    return [line for line in content.lines if in_zone(line, content.height)][:MAX_EDGE_LINES]


def in_zone(line: Line, height: float) -> bool:
    """Tell whether a line stands at the head or the foot of its page."""
    return line.bottom < ZONE * height or line.top > (1 - ZONE) * height


def _same(line: Line, other: Line, pages: int) -> bool:
    """Tell whether a line repeats one of some pages before, but for the page's number."""
    if abs(line.top - other.top) > NEAR or len(line.text) > len(other.text) + 2:
        return False
    if min(abs(line.x0 - other.x0), abs(line.x1 - other.x1)) > NEAR:
        return False
    here, there = _NUMBERS.split(line.text), _NUMBERS.split(other.text)
    return len(here) == len(there) and all(
        one == two or _grown(one, two, pages) for one, two in zip(here, there, strict=True)
    )


def _grown(here: str, there: str, pages: int) -> bool:
    """Tell whether a number has grown by the pages between."""
    if not (here.isdecimal() and there.isdecimal()) or len(here) > MAX_NUMBER_DIGITS:
        return False
    return len(there) <= MAX_NUMBER_DIGITS and int(here) - int(there) == pages


def without_number(lines: list[Line], page: int) -> list[Line]:
    """Leave out the page's own number, drawn first or last at its head or foot."""
    if len(lines) < MIN_LINES:
        return lines
    top, bottom = min(line.top for line in lines), max(line.bottom for line in lines)
    for at in (0, -1):
        line = lines[at]
        if _is_number(line, page) and (line.top == top or line.bottom == bottom):
            return lines[1:] if at == 0 else lines[:-1]
    return lines


def _is_number(line: Line, page: int) -> bool:
    found = _PAGE_NUMBER.fullmatch(line.text)
    if found is None:
        return False
    # Front matter is counted apart, so a page's number is at most a little below its place.
    return found[1] is None or page - MAX_FRONT_MATTER <= int(found[1]) <= page + 1
