"""Cuts one run of text into chunks between the least and the largest size."""

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile

from services.ingest_worker.chunking.sizes import ChunkSizes
from services.ingest_worker.chunking.spans import Cut, Scale, Span, joined
from shared.models import ElementKind

# A chunk that spans three pages names none: a citation says "page X".
MAX_PAGES = 2
# A table's header is repeated in every chunk of it unless it takes up more of one than this.
MAX_HEADER_SHARE = 0.25
_PROSE = frozenset({ElementKind.PARAGRAPH, ElementKind.LIST_ITEM, ElementKind.IMAGE_TEXT})


@dataclass(frozen=True, slots=True)
class Draft:
    """A chunk in the making: its spans, their joined text and its tokens."""

    spans: list[Span]
    text: str
    tokens: int


class Packer:
    """Takes spans of one section and gives drafts as soon as they are certain.

    The end of a section is looked ahead to, so that its last chunk is not a crumb.
    """

    def __init__(self, scale: Scale, sizes: ChunkSizes) -> None:
        """Start empty."""
        self._scale = scale
        self._sizes = sizes
        self._lookahead = sizes.max_tokens + sizes.min_tokens + sizes.overlap_max
        self.spans: list[Span] = []
        self.weight = 0

    def add(self, spans: Iterable[Span]) -> None:
        """Take the next spans of the section."""
        for span in spans:
            self.spans.append(span)
            self.weight += span.weight

    def put_first(self, spans: list[Span]) -> None:
        """Put spans in front of what is there."""
        self._hold([*spans, *self.spans])

    @property
    def overflows(self) -> bool:
        """Whether this is more than one chunk may hold."""
        return self.weight > self._sizes.max_tokens or self._pages > MAX_PAGES

    @property
    def _pages(self) -> int:
        return self.spans[-1].page - self.spans[0].page + 1 if self.spans else 0

    @property
    def _certain(self) -> bool:
        """Whether the next chunk would be the same whatever comes: see `_bounds`."""
        return self.weight > self._lookahead or self._pages > MAX_PAGES + 1

    def drafts(self, *, final: bool) -> Iterator[Draft]:
        """Yield the chunks that are certain; all of them when the section is `final`."""
        while self.spans and (final or (self.overflows and self._certain)):
            yield self._draft() if self.overflows else self._last()

    def _last(self) -> Draft:
        """Take all that is left, if that is one chunk."""
        text = joined(self.spans)
        tokens = self._scale.tokens(text)
        if tokens > self._sizes.max_tokens:
            return self._draft()
        spans = self.spans
        self._hold([])
        return Draft(spans, text, tokens)

    def _draft(self) -> Draft:
        """Take one chunk off the front."""
        limit = self._sizes.max_tokens
        while True:
            low, high = self._bounds()
            count = self._cut(min(low, limit), min(high, limit), limit)
            spans = self.spans[:count]
            text = joined(spans)
            tokens = self._scale.tokens(text)
            excess = tokens - self._sizes.max_tokens
            if excess <= 0 or limit <= 1:
                break
            # Else the sum of the parts was less than the whole, which a tokenizer may do.
            if not self._reweigh(count):
                limit = max(1, limit - excess)
        self._go_on(spans, self.spans[count:])
        return Draft(spans, text, tokens)

    def _reweigh(self, count: int) -> bool:
        """Count what was estimated of the first spans; whether some are heavier than thought."""
        before = self.weight
        self._hold([*map(self._scale.reweighed, self.spans[:count]), *self.spans[count:]])
        return self.weight > before

    def _bounds(self) -> tuple[int, int]:
        """Return the sizes between which to cut; near the end, so that both halves are fair."""
        least, most = self._sizes.min_tokens, self._sizes.max_tokens
        if self._pages == MAX_PAGES + 1 and self.weight <= most:
            return self._halves()
        if self.weight > self._lookahead or self.weight <= most:
            return least, most
        low = max(least, self.weight - most + self._sizes.overlap_max)
        return low, max(low, min(most, self.weight - least))

    def _halves(self) -> tuple[int, int]:
        """Return where to halve three pages: one half has the first, the other the third.

        Without this a section that begins at a page's foot leaves a crumb on its third page.
        """
        first, last = self.spans[0].page, self.spans[-1].page
        head = sum(span.weight for span in self.spans if span.page == first)
        body = self.weight - sum(span.weight for span in self.spans if span.page == last)
        low, high = int(self.weight * 0.35), int(self.weight * 0.65)
        return min(max(low, head), body), max(min(high, body), head)

    def _cut(self, low: int, high: int, limit: int) -> int:
        """Return how many spans to take, cutting one where none ends between low and high."""
        while True:
            best, stop, certain = self._scan(low, high)
            repeated = self._repeated
            if certain and stop > repeated:
                return stop
            if best > repeated:
                return best
            if not certain and self._split(stop, limit):
                continue
            # What cannot be cut is taken alone, without what would be repeated before it.
            if stop > repeated:
                return stop
            if not repeated:
                return 1
            self._hold(self.spans[repeated:])

    def _scan(self, low: int, high: int) -> tuple[int, int, bool]:
        """Look for the best end of a chunk.

        Returns:
            The spans up to the best end between low and high (0 if there is none), those that fit
            at all, and whether the chunk must end there: the next page is one too many.
        """
        best, best_cut, total = 0, Cut.PIECE, 0
        for at, span in enumerate(self.spans):
            if span.page - self.spans[0].page >= MAX_PAGES:
                return best, at, True
            total += span.weight
            if total > high:
                return best, at, False
            if total >= low and span.ends <= best_cut:
                best, best_cut = at + 1, span.ends
        return best, len(self.spans), True

    def _split(self, at: int, limit: int) -> bool:
        """Cut a span in place; False if it is to stay whole or has no place to be cut."""
        span = self.spans[at]
        if span.whole and span.weight <= limit:
            return False
        parts = self._scale.cut(span)
        if parts:
            self.spans[at : at + 1] = parts
        return bool(parts)

    @property
    def _repeated(self) -> int:
        return sum(1 for _ in takewhile(lambda span: span.repeated, self.spans))

    def _hold(self, spans: list[Span]) -> None:
        self.spans = spans
        self.weight = sum(span.weight for span in spans)

    def _go_on(self, taken: list[Span], rest: list[Span]) -> None:
        """Keep the rest, with what the next chunk repeats in front of it."""
        head = (self._header(rest[0]) or self._overlap(taken, rest[0])) if rest else []
        self._hold([*head, *rest])

    def _header(self, first: Span) -> list[Span]:
        """Return the header of a table whose rows go on in the next chunk."""
        if first.element.kind is not ElementKind.TABLE:
            return []
        end = first.element.text.find("\n")
        if not 0 < end < first.start:
            return []
        weight = self._scale.tokens(first.element.text[:end])
        if weight > self._sizes.max_tokens * MAX_HEADER_SHARE:
            return []
        return [Span(first.element, 0, end, weight, Cut.LINE, Cut.LINE, repeated=True)]

    def _overlap(self, taken: list[Span], first: Span) -> list[Span]:
        """Return the last sentences of a chunk; a long one's last words."""
        apart = first.page - taken[0].page >= MAX_PAGES
        if apart or first.element.kind is ElementKind.TITLE:
            return []
        pool, picked, total = list(taken), list[Span](), 0
        while pool and total < self._sizes.overlap_min:
            span = pool.pop()
            if span.element.kind not in _PROSE:
                break
            if total + span.weight <= self._sizes.overlap_max:
                picked.append(dataclasses.replace(span, repeated=True))
                total += span.weight
            elif parts := self._scale.cut(span):
                pool.extend(parts)
            else:
                break
        # To repeat a whole chunk would be to make it twice.
        return picked[::-1] if pool else []
