"""Where a chunk stands on its pages: the boxes of its elements, merged and few."""

from collections.abc import Iterable
from itertools import groupby

from shared.models import Box

MAX_BOXES_A_PAGE = 8
# Paragraphs of one column: as far apart as a blank line, with nearly the same edges.
MAX_GAP = 24.0
MIN_SHARED_WIDTH = 0.5


def merged(boxes: Iterable[Box]) -> tuple[Box, ...]:
    """Merge boxes that follow one another down a column; at most eight a page stay."""
    found: list[Box] = []
    for _, group in groupby(boxes, key=lambda box: box.page):
        page: list[Box] = []
        for box in group:
            if page and (_neighbours(page[-1], box) or len(page) == MAX_BOXES_A_PAGE):
                page[-1] = _around(page[-1], box)
            else:
                page.append(box)
        found.extend(page)
    return tuple(found)


def _neighbours(above: Box, below: Box) -> bool:
    gap = max(above.y0, below.y0) - min(above.y1, below.y1)
    shared = min(above.x1, below.x1) - max(above.x0, below.x0)
    narrower = min(above.x1 - above.x0, below.x1 - below.x0)
    return gap <= MAX_GAP and shared >= MIN_SHARED_WIDTH * narrower


def _around(one: Box, other: Box) -> Box:
    return Box(
        page=one.page,
        x0=min(one.x0, other.x0),
        y0=min(one.y0, other.y0),
        x1=max(one.x1, other.x1),
        y1=max(one.y1, other.y1),
    )
