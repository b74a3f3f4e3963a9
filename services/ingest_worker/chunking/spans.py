"""Runs of an element's text, and how they are cut: sentences, lines, words, tokens, in that order.

Cutting is lazy. Most elements go into a chunk whole; only one that straddles a chunk's end, or
lends its last sentences to the next chunk, is looked at closer.
"""

import dataclasses
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice, pairwise

from shared.models import Element, ElementKind
from shared.tokens.base import Tokenizer

# A text weighs its tokens, but never less than this many characters each: WordPiece makes one
# token of any word too long for it, and a megabyte of base64 is no one-token chunk.
CHARS_PER_TOKEN = 16
# A word is cut only when it is longer than this; then into pieces no longer.
MAX_WORD_CHARS = 256
MAX_PIECE_TOKENS = 64
# Parts made in one go: a paragraph of ten megabytes is cut as chunks are taken off its front.
MAX_PARTS = 256
SLAB_CHARS = 4096

_SENTENCES = re.compile(
    r"""
    (?:[.!?…]["'”’»)\]]*(?=\s+[^\sa-z])   # An end mark, then no small letter:
    (?<!\b[A-Z]\.)                        # but not after an initial
    (?<!\bDr\.)(?<!\bMr\.)(?<!\bMs\.)(?<!\bMrs\.)(?<!\bSt\.)(?<!\bNo\.)(?<!\bvs\.)
    (?<!\bFig\.)(?<!\bal\.)(?<!\bcf\.)(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bProf\.)
    |[。！？])                             # nor where a script has no spaces.
    \s*
    """,  # noqa: RUF001 - full-width marks end sentences
    re.VERBOSE,
)
_LINES = re.compile(r"\n+")
_WORDS = re.compile(r"\s+")


class Cut(IntEnum):
    """What ends at the end of a span: the lower, the better a place for a chunk to end."""

    ELEMENT = 0
    SENTENCE = 1
    LINE = 2
    WORD = 3
    PIECE = 4


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """The text of an element from `start` to `end`; `repeated` when a chunk before has it too."""

    element: Element
    start: int
    end: int
    weight: int
    made: Cut = Cut.ELEMENT
    ends: Cut = Cut.ELEMENT
    repeated: bool = False

    @property
    def text(self) -> str:
        """The run's own text."""
        return self.element.text[self.start : self.end]

    @property
    def page(self) -> int:
        """The page it stands on."""
        return self.element.page

    @property
    def whole(self) -> bool:
        """Whether it should not be cut while it fits a chunk: code, and a table's row."""
        kind = self.element.kind
        if kind is ElementKind.CODE:
            return self.made is Cut.ELEMENT
        return kind is ElementKind.TABLE and self.made is Cut.LINE


class Scale:
    """Weighs texts with a space's tokenizer and cuts spans."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int) -> None:
        """Take the tokenizer, and the largest chunk: pieces must be smaller."""
        self._tokenizer = tokenizer
        self._piece_tokens = max(1, min(MAX_PIECE_TOKENS, max_tokens // 4))
        self._separator = tokenizer.count("\n\n")

    def tokens(self, text: str) -> int:
        """Count a text; what has no token still is one."""
        return max(1, self._tokenizer.count(text))

    def weigh(self, elements: Iterable[Element]) -> Iterator[Span]:
        """Return a span for each whole element, the gap before it included in the weight."""
        batch = list(elements)
        counts = self._tokenizer.count_all(element.text for element in batch)
        for element, count in zip(batch, counts, strict=True):
            size = len(element.text)
            yield Span(element, 0, size, _weight(count, size) + self._separator)

    def reweighed(self, span: Span) -> Span:
        """Return a span with its weight counted, where it may have been estimated: see `_left`."""
        size = span.end - span.start
        if size <= SLAB_CHARS:
            return span
        return dataclasses.replace(span, weight=_weight(self.tokens(span.text), size))

    def cut(self, span: Span) -> list[Span]:
        """Cut a span into smaller ones at the best kind of place it has; [] if it has none."""
        for made, ends in self._ways(span):
            stops = list(islice(ends, MAX_PARTS))
            if stops:
                return self._parts(span, made, stops)
        return []

    def _parts(self, span: Span, made: Cut, stops: list[int]) -> list[Span]:
        bounds = list(pairwise([span.start, *stops]))
        counts = self._tokenizer.count_all(span.element.text[start:stop] for start, stop in bounds)
        parts = [
            Span(span.element, start, stop, _weight(count, stop - start), made, made)
            for (start, stop), count in zip(bounds, counts, strict=True)
        ]
        remade = made if len(stops) < MAX_PARTS and made is not Cut.PIECE else span.made
        left = self._left(span, stops[-1], sum(part.weight for part in parts))
        return [*parts, Span(span.element, stops[-1], span.end, left, remade, span.ends)]

    def _left(self, span: Span, start: int, taken: int) -> int:
        """Weigh the rest of a span that was cut.

        A long rest is not counted anew each time, that would be quadratic: the difference will
        do, as it is cut again before it goes anywhere.
        """
        if span.end - start > SLAB_CHARS:
            return max(span.weight - taken, (span.end - start) // CHARS_PER_TOKEN)
        return _weight(self._tokenizer.count(span.element.text[start : span.end]), span.end - start)

    def _piece_stops(self, span: Span) -> Iterator[int]:
        """Yield token boundaries inside a word too long for its place."""
        slab = span.element.text[span.start : min(span.end, span.start + SLAB_CHARS)]
        begins = sorted(set(self._tokenizer.starts(slab)))[:: self._piece_tokens]
        last = 0
        for at in (*begins, len(slab)):
            cuts = range(last + MAX_WORD_CHARS, at, MAX_WORD_CHARS)
            yield from (span.start + cut for cut in cuts)
            if 0 < at < len(slab):
                yield span.start + at
            last = at

    def _ways(self, span: Span) -> Iterator[tuple[Cut, Iterator[int]]]:
        """Yield the ways to cut a span that are finer than the one it was made by."""
        prose = span.element.kind not in {ElementKind.TABLE, ElementKind.CODE}
        if span.made < Cut.SENTENCE and prose:
            yield Cut.SENTENCE, _stops(_SENTENCES, span)
        if span.made < Cut.LINE:
            yield Cut.LINE, _stops(_LINES, span)
        if span.made < Cut.WORD:
            yield Cut.WORD, _stops(_WORDS, span)
        if span.made < Cut.PIECE:
            yield Cut.PIECE, self._piece_stops(span)


def _weight(tokens: int, chars: int) -> int:
    return max(tokens, chars // CHARS_PER_TOKEN, 1)


def _stops(pattern: re.Pattern[str], span: Span) -> Iterator[int]:
    """Yield where a match ends inside the span; the white space stays with what is before."""
    for found in pattern.finditer(span.element.text, span.start, span.end):
        if span.start < found.end() < span.end:
            yield found.end()


def joined(spans: Iterable[Span]) -> str:
    """Return the text of a chunk: runs of one element as they stand, elements set apart."""
    return "".join(gap + text for gap, text, _ in _pieces(spans))


def page_turns(spans: Iterable[Span]) -> tuple[tuple[int, int], ...]:
    """Return where in the joined text each page after the first begins: (offset, page)."""
    turns: list[tuple[int, int]] = []
    at, page = 0, 0
    for gap, text, here in _pieces(spans):
        if page and here != page:
            turns.append((at + len(gap), here))
        at, page = at + len(gap) + len(text), here
    return tuple(turns)


def _pieces(spans: Iterable[Span]) -> Iterator[tuple[str, str, int]]:
    """Yield the gap before each run, its text, and its page."""
    above: Element | None = None
    for element, start, end in _runs(spans):
        text = element.text[start:end].rstrip()
        # Indentation is part of code.
        text = text.strip("\n") if element.kind is ElementKind.CODE else text.lstrip()
        if text:
            yield _gap(above, element) if above is not None else "", text, element.page
            above = element


def _runs(spans: Iterable[Span]) -> Iterator[tuple[Element, int, int]]:
    """Join spans that follow one another in their element."""
    element, start, end = None, 0, 0
    for span in spans:
        if span.element is element and span.start == end:
            end = span.end
            continue
        if element is not None:
            yield element, start, end
        element, start, end = span.element, span.start, span.end
    if element is not None:
        yield element, start, end


def _gap(above: Element, element: Element) -> str:
    listed = above.kind is element.kind is ElementKind.LIST_ITEM
    return "\n" if element is above or listed else "\n\n"
