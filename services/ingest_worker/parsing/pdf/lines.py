"""What a PDF page is made of once it is read: lines of text, drawn rules, tables.

Coordinates are points from the top left corner of the page as its text is read.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

# Words further apart than this share of the line's height stand in different columns.
COLUMN_GAP = 0.9
_MARKER = re.compile(
    r"(?:[•‣◦▪▫●○■□►➢➤❖✓∙·\uf0b7\uf0a7–—-]|\(?(?:\d{1,3}|[A-Za-z]|[ivx]{1,5})[.)])\Z"  # noqa: RUF001 - dashes are bullets, too
)


class Word(NamedTuple):
    """A word and its left and right edge."""

    text: str
    x0: float
    x1: float


class Ruling(NamedTuple):
    """A straight line that is drawn, or the edge of a rectangle: upright, or level."""

    x0: float
    top: float
    x1: float
    bottom: float

    @property
    def upright(self) -> bool:
        """Whether it goes down the page rather than across."""
        return self.bottom - self.top > self.x1 - self.x0


@dataclass(slots=True)
class Line:
    """One line of text.

    `words` are known where columns may be near. `turned` tells text that stands on its side.
    """

    text: str
    x0: float
    top: float
    x1: float
    bottom: float
    height: float
    hyphenated: bool = False
    level: int | None = None
    bold: bool = False
    turned: bool = False
    words: Sequence[Word] = ()

    def of(self, words: Sequence[Word]) -> "Line":
        """Return the part of the line that these of its words make."""
        return replace(
            self,
            text=" ".join(word.text for word in words),
            x0=min(word.x0 for word in words),
            x1=max(word.x1 for word in words),
            hyphenated=self.hyphenated and words[-1] is self.words[-1],
            words=words,
        )


@dataclass(slots=True)
class Table:
    """A table: its rows of cells, where it stands, and the left edges of its columns."""

    rows: list[list[str]]
    x0: float
    top: float
    x1: float
    bottom: float
    columns: tuple[float, ...] = ()


Item = Line | Table


@dataclass(slots=True)
class PageContent:
    """What is on a page, in the order in which it is drawn.

    `quarter` says how often the page was turned (clockwise) so that its text can be read. `files`
    are the names of those that are attached to it.
    """

    lines: list[Line]
    rulings: list[Ruling] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0
    quarter: int = 0
    files: list[str] = field(default_factory=list)


def same_row(one: Item, other: Item) -> bool:
    """Tell whether two stand beside each other."""
    shared = min(one.bottom, other.bottom) - max(one.top, other.top)
    return shared > 0.5 * min(one.bottom - one.top, other.bottom - other.top)


def marks_item(text: str) -> bool:
    """Tell whether a word is a bullet or a number in front of a list's item."""
    return _MARKER.match(text) is not None


def pieces(line: Line, share: float = COLUMN_GAP) -> list[Line]:
    """Cut a line where its words are further apart than this share of its height."""
    if len(line.words) < 2:  # noqa: PLR2004 - one word has no gap
        return [line]
    groups, gap = [[line.words[0]]], share * line.height
    for word in line.words[1:]:
        above = groups[-1][-1]
        apart = max(word.x0 - above.x1, above.x0 - word.x1)
        if apart > gap and not (len(groups[-1]) == 1 and marks_item(above.text)):
            groups.append([word])
        else:
            groups[-1].append(word)
    return [line] if len(groups) == 1 else [line.of(group) for group in groups]
