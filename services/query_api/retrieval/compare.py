"""Compares the two indexes of a collection that is being reindexed, before one is switched to.

By questions that are given, and by canaries: a sentence of a chunk, which its document answers.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from uuid import UUID

from services.query_api.retrieval.hits import SearchQuery
from services.query_api.retrieval.search import Retriever
from services.query_api.retrieval.stopwatch import Stopwatch
from shared.database.engine import Database
from shared.database.live_chunks import ActiveIndex, LiveChunks
from shared.errors import Conflict

DEPTH = 10
# A canary says enough to be found by, and fits into a question.
_SHORTEST, _LONGEST = 25, 300
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]?")


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and the document that is known to answer it, if one is."""

    text: str
    document_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """One question in both indexes.

    `overlap` is the share of the first ten documents that both found; a rank is the known
    document's, from 1, None where it is not among them.
    """

    question: Question
    overlap: float
    active_rank: int | None
    other_rank: int | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is known of the two indexes: `active` answers now, `other` might."""

    active: ActiveIndex
    other: ActiveIndex
    questions: Sequence[Compared]

    @property
    def overlap(self) -> float | None:
        """Return the mean overlap of the first ten documents; None without questions."""
        return fmean(one.overlap for one in self.questions) if self.questions else None

    def recall(self, *, active: bool) -> float | None:
        """Return the share of known documents among the first ten; None if none is known."""
        ranks = [
            one.active_rank if active else one.other_rank
            for one in self.questions
            if one.question.document_id is not None
        ]
        return fmean(rank is not None for rank in ranks) if ranks else None


@dataclass(frozen=True, slots=True)
class Comparer:
    """Asks both indexes the same."""

    database: Database
    retriever: Retriever

    async def compare(
        self, query: SearchQuery, questions: Sequence[str], *, canaries: int
    ) -> Comparison:
        """Compare by the questions given and up to `canaries` made ones, all asked as `query` is.

        Raises:
            Conflict: the collection has no two indexes, or the new one is not made yet.
            EmbeddingUnavailable, VectorStoreUnavailable, DatabaseUnavailable: what it stands on
                does not answer.
        """
        async with self.database.tenant(query.tenant_id) as connection:
            live = LiveChunks(connection)
            pair = await live.pair(query.collection)
            if len(pair) != 2 or not all(index.ready for index in pair):  # noqa: PLR2004
                raise Conflict(f"`{query.collection}` has no second index that could be compared.")
            sampled = await live.sample(pair[0].id, limit=canaries * 2)
        made = [Question(said, one.document_id) for one in sampled if (said := canary(one.text))]
        asked = [*map(Question, questions), *made[:canaries]]
        active, other = pair
        # Several chunks may be of one document: deep enough for ten of those.
        query = replace(query, limit=5 * DEPTH)
        compared = [await self._ask(query, (active, other), one) for one in asked]
        return Comparison(active, other, compared)

    async def _ask(
        self, query: SearchQuery, pair: tuple[ActiveIndex, ActiveIndex], question: Question
    ) -> Compared:
        query = replace(query, text=question.text)
        found = [await self.retriever.search_in(index, query, Stopwatch()) for index in pair]
        active, other = [_documents([hit.chunk.document_id for hit in one.hits]) for one in found]
        return Compared(
            question,
            _overlap(active, other),
            _rank(question.document_id, active),
            _rank(question.document_id, other),
        )


def canary(text: str) -> str | None:
    """Return the longest sentence of a text that fits into a question; None if none does."""
    sentences = (said.strip() for said in _SENTENCE.findall(text))
    fitting = [said for said in sentences if _SHORTEST <= len(said) <= _LONGEST]
    return max(fitting, key=len, default=None)


def _documents(found: Sequence[UUID]) -> list[UUID]:
    return list(dict.fromkeys(found))[:DEPTH]


def _overlap(active: Sequence[UUID], other: Sequence[UUID]) -> float:
    most = max(len(active), len(other))
    return len(set(active) & set(other)) / most if most else 1.0


def _rank(document_id: UUID | None, found: Sequence[UUID]) -> int | None:
    return found.index(document_id) + 1 if document_id in found else None
