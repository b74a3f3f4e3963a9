"""What an answer may rest on, numbered as the model sees it: hits, and what stands around them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile

from services.query_api.retrieval.hits import Context, Hit
from services.query_api.retrieval.joining import pieces
from shared.database.live_chunks import LiveChunk


@dataclass(frozen=True, slots=True)
class Passage:
    """Consecutive chunks of one version under a number, which counts from 1.

    `hits` are those of them that were found, best first, at least one; `chunks` are all of them in
    their order in the document.
    """

    number: int
    hits: Sequence[Hit]
    chunks: Sequence[LiveChunk]

    @property
    def text(self) -> str:
        """The chunks' stored texts; what one repeats of the one before stands there once."""
        return "".join(pieces([chunk.text for chunk in self.chunks]))

    @property
    def section(self) -> list[str]:
        """The path of titles above all of it."""
        paths = zip(*(chunk.section for chunk in self.chunks), strict=False)
        return [titles[0] for titles in takewhile(lambda titles: len(set(titles)) == 1, paths)]

    @property
    def best_first(self) -> list[LiveChunk]:
        """Its chunks: those that were found, then those around them."""
        found = {hit.chunk.id: hit.chunk for hit in self.hits}
        return [*found.values(), *(chunk for chunk in self.chunks if chunk.id not in found)]

    def source_on(self, page: int) -> str:
        """Return the marker for one of its pages, such as `[Source: manual.pdf, page 12]`."""
        return f"[Source: {self.chunks[0].filename}, page {page}]"

    def score_of(self, chunk: LiveChunk) -> float:
        """Return a chunk's relevance; of one that was not found itself, that of the best hit."""
        own = (hit.score for hit in self.hits if hit.chunk.id == chunk.id)
        return next(own, self.hits[0].score)


@dataclass(frozen=True, slots=True)
class Claim:
    """A run of an answer that rests on a passage.

    `quote` is a span of the text of its `chunk`, and begins at the character `start`.
    """

    passage: Passage
    chunk: LiveChunk
    text: str
    quote: str
    start: int

    @property
    def page(self) -> int:
        """The page on which the quote begins."""
        return self.chunk.page_at(self.start)

    @property
    def score(self) -> float:
        """The relevance of what is quoted."""
        return self.passage.score_of(self.chunk)

    @property
    def source(self) -> str:
        """The marker that stands in the answer."""
        return self.passage.source_on(self.page)


@dataclass(frozen=True, slots=True)
class Cited:
    """An answer's text with its sources in place, and the claims behind them in their order."""

    text: str
    claims: Sequence[Claim]

    @property
    def sources(self) -> list[str]:
        """Return each source once, in the order of first use."""
        return list(dict.fromkeys(claim.source for claim in self.claims))


def numbered(hits: Sequence[Hit]) -> list[Passage]:
    """Return passages of hits that come best first, and of what was read around them.

    Hits that stand side by side share one, in the place of the best of them, so that no text is in
    two.
    """
    runs = _runs(chunk for hit in hits for chunk in _around(hit))
    run_of = {chunk.id: at for at, run in enumerate(runs) for chunk in run}
    found: dict[int, list[Hit]] = {}
    for hit in hits:
        found.setdefault(run_of[hit.chunk.id], []).append(hit)
    return [Passage(number, held, runs[at]) for number, (at, held) in enumerate(found.items(), 1)]


def _around(hit: Hit) -> Sequence[LiveChunk]:
    context = hit.context or Context()
    return *context.before, hit.chunk, *context.after


def _runs(chunks: Iterable[LiveChunk]) -> list[list[LiveChunk]]:
    """Put chunks of any versions into their order, and part them where one is missing."""
    there = {(chunk.version_id, chunk.ordinal): chunk for chunk in chunks}
    # In a run the ordinals grow as the places do: their difference stays.
    runs = groupby(enumerate(sorted(there)), key=lambda one: (one[1][0], one[1][1] - one[0]))
    return [[there[key] for _, key in run] for _, run in runs]
