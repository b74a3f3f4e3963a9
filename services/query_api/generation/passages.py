"""The hits an answer may rest on, numbered as the model sees them."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.query_api.retrieval.hits import Hit


@dataclass(frozen=True, slots=True)
class Passage:
    """A hit under its number, which counts from 1."""

    number: int
    hit: Hit

    @property
    def text(self) -> str:
        """The chunk's stored text."""
        return self.hit.chunk.text

    @property
    def sources(self) -> list[str]:
        """Every marker that could stand for it: one for each of its pages."""
        chunk = self.hit.chunk
        return [self.source_on(page) for page in range(chunk.page_start, chunk.page_end + 1)]

    def source_on(self, page: int) -> str:
        """Return the marker for one of its pages, such as `[Source: manual.pdf, page 12]`."""
        return f"[Source: {self.hit.chunk.filename}, page {page}]"


@dataclass(frozen=True, slots=True)
class Claim:
    """A run of an answer that rests on a passage; `quote` is a span of the passage's text."""

    passage: Passage
    text: str
    quote: str

    @property
    def page(self) -> int:
        """The page on which the quote begins."""
        return self.passage.hit.chunk.page_at(max(0, self.passage.text.find(self.quote)))

    @property
    def source(self) -> str:
        """The marker that stands in the answer."""
        return self.passage.source_on(self.page)


@dataclass(frozen=True, slots=True)
class Cited:
    """An answer's text with its sources in place, and the claims behind them in their order.

    `support` is the share of its sentences that carry a source.
    """

    text: str
    claims: Sequence[Claim]
    support: float

    @property
    def sources(self) -> list[str]:
        """Return each source once, in the order of first use."""
        return list(dict.fromkeys(claim.source for claim in self.claims))


def numbered(hits: Sequence[Hit]) -> list[Passage]:
    """Number hits from 1 in their order."""
    return [Passage(number, hit) for number, hit in enumerate(hits, start=1)]
