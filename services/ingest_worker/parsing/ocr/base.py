"""Text from pictures: the engines' port, and what is made of what they read.

Engines guess: on a photograph they read letters into leaves. What is kept is what they are sure
of, so that a picture without text ends without text.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from shared.models import Box, Element, ElementKind

# Out of a hundred. Measured on photographs, drawings and scans: text, even poor, is above the
# second on average, what is read into a photograph below it.
MIN_WORD_CONFIDENCE, MIN_LINE_CONFIDENCE = 30.0, 55.0
MIN_LETTERS = 2
# Of a page's signs so many must be letters or digits, or it was no writing.
MIN_LETTER_SHARE = 0.5
_WORD = re.compile(r"[^\W_]{2,}")
_LETTER = re.compile(r"[^\W_]")
_HYPHENATED = re.compile(r"(?<=[^\W\d_])[-\u2010\u00ac]\Z")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in colour: red, green and blue of each pixel, row by row from the top.

    `points` is the size of a pixel in the points of its page.
    """

    pixels: bytes
    width: int
    height: int
    points: float

    @property
    def blank(self) -> bool:
        """Whether all of it is one colour."""
        return self.pixels == self.pixels[:3] * (self.width * self.height)


@dataclass(frozen=True, slots=True)
class OcrLine:
    """A line of text with its place in pixels; lines of one `block` are one paragraph.

    `confidence` is out of a hundred, the engine's own.
    """

    text: str
    x0: float
    top: float
    x1: float
    bottom: float
    confidence: float
    block: int


class OcrEngine(Protocol):
    """Reads pictures of text."""

    @property
    def name(self) -> str:
        """The engine and its version."""
        ...

    def read(self, picture: Picture, language: str | None, timeout_s: float) -> list[OcrLine]:
        """Return the lines of a picture in reading order, whichever way it is turned.

        Args:
            picture: what to read.
            language: a code such as `de`, or several joined by `+`; None for the engine's own.
            timeout_s: how long it may take, where the engine can be stopped.

        Raises:
            OcrFailed: the engine broke down or took too long.
        """
        ...


class OcrFailed(Exception):
    """The engine could not read a picture; the others may still go well."""


def ocr_elements(lines: Sequence[OcrLine], page: int, points: float) -> list[Element]:
    """Return the paragraphs among the lines; `points` is the size of a pixel in points.

    What is too unsure to be writing is left out, and all of it when hardly any of it is letters.
    """
    kept = [line for line in lines if _is_writing(line)]
    signs = "".join("".join(line.text.split()) for line in kept)
    if len(_LETTER.findall(signs)) < max(MIN_LETTERS, MIN_LETTER_SHARE * len(signs)):
        return []
    return list(_paragraphs(kept, page, points))


def _is_writing(line: OcrLine) -> bool:
    return line.confidence >= MIN_LINE_CONFIDENCE and _LETTER.search(line.text) is not None


def _paragraphs(lines: Sequence[OcrLine], page: int, points: float) -> Iterator[Element]:
    for _, run in groupby(lines, key=lambda line: line.block):
        block = list(run)
        box = Box(
            page=page,
            x0=round(min(line.x0 for line in block) * points, 1),
            y0=round(min(line.top for line in block) * points, 1),
            x1=round(max(line.x1 for line in block) * points, 1),
            y1=round(max(line.bottom for line in block) * points, 1),
        )
        text = joined([line.text for line in block])
        yield Element(kind=ElementKind.IMAGE_TEXT, text=text, page=page, box=box)


def joined(lines: Sequence[str]) -> str:
    """Return the lines of a paragraph as one, hyphens at their ends closed.

    >>> joined(["a hyphen-", "ated word"])
    'a hyphenated word'
    """
    text = ""
    for line in lines:
        if _HYPHENATED.search(text) and line[:1].islower():
            text = text[:-1] + line
        else:
            text = f"{text} {line}" if text else line
    return text
