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
    def source(self) -> str:
        """The marker that stands in an answer, such as `[Source: manual.pdf, page 12]`."""
        return f"[Source: {self.hit.chunk.filename}, page {self.hit.chunk.page_start}]"


@dataclass(frozen=True, slots=True)
class Claim:
    """A run of an answer that rests on a passage; `quote` is a span of the passage's text."""

    passage: Passage
    text: str
    quote: str


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
        return list(dict.fromkeys(claim.passage.source for claim in self.claims))


def numbered(hits: Sequence[Hit]) -> list[Passage]:
    """Number hits from 1 in their order."""
    return [Passage(number, hit) for number, hit in enumerate(hits, start=1)]
