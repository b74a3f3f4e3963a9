"""Which of the ranked hits are shown: not copies of better ones, not too many of one document."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from uuid import UUID

from services.query_api.retrieval.distinct import Wording, is_copy
from services.query_api.retrieval.hits import Hit, SearchQuery
from shared.database.live_chunks import LiveChunk

# Copies named in one hit; a text that stands in thousands of documents must not bury the others.
MOST_COPIES = 100


@dataclass(frozen=True, slots=True)
class Chosen:
    """The hits to show, best first, of those that were `weighed`.

    `full` are the versions of documents that had their share.
    """

    hits: Sequence[Hit]
    weighed: int = 0
    full: frozenset[UUID] = frozenset()


def choose(ranked: Iterable[Hit], query: SearchQuery) -> Chosen:
    """Return the first `limit` hits that are to be shown; no more are taken than that needs.

    Of copies the best one stays and names the others, those that follow the last hit too; beyond a
    document's share the next fill up.
    """
    if not query.distinct and query.max_per_document is None:
        hits = list(islice(ranked, query.limit))
        return Chosen(hits, len(hits))
    choice = _Choice(query)
    for hit in ranked:
        if not choice.weigh(hit):
            break
    return choice.made()


class _Choice:
    """What was chosen so far."""

    def __init__(self, query: SearchQuery) -> None:
        self._distinct = query.distinct
        self._share = query.max_per_document
        self._limit = query.limit
        self._wordings: list[Wording] = []
        self._copies: list[list[LiveChunk]] = []
        self._documents: Counter[UUID] = Counter()
        self._weighed = 0
        self._shown: list[Hit] = []

    def weigh(self, hit: Hit) -> bool:
        """Show a hit, name it as a copy, or pass it over; tell whether to go on to the next."""
        wording = Wording.of(hit.chunk) if self._distinct else None
        original = self._original_of(wording)
        if original is not None:
            original.append(hit.chunk)
        elif len(self._shown) == self._limit:
            return False
        elif not self._is_full(hit):
            self._show(hit, wording)
        self._weighed += 1
        return self._distinct or len(self._shown) < self._limit

    def made(self) -> Chosen:
        """Return what was chosen, each hit with its copies."""
        full = frozenset(hit.chunk.version_id for hit in self._shown if self._is_full(hit))
        if not self._distinct:
            return Chosen(self._shown, self._weighed, full)
        pairs = zip(self._shown, self._copies, strict=True)
        hits = [replace(hit, duplicates=tuple(copies[:MOST_COPIES])) for hit, copies in pairs]
        return Chosen(hits, self._weighed, full)

    def _original_of(self, wording: Wording | None) -> list[LiveChunk] | None:
        if wording is None:
            return None
        shown = zip(self._wordings, self._copies, strict=True)
        return next((copies for one, copies in shown if is_copy(wording, one)), None)

    def _is_full(self, hit: Hit) -> bool:
        shown = self._documents[hit.chunk.document_id]
        return self._share is not None and shown >= self._share

    def _show(self, hit: Hit, wording: Wording | None) -> None:
        self._shown.append(hit)
        self._documents[hit.chunk.document_id] += 1
        if wording is not None:
            self._wordings.append(wording)
            self._copies.append([])
