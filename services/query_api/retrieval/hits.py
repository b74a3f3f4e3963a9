"""The values of a search: what is asked, what is found."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, TypeVar
from uuid import UUID

from services.query_api.retrieval.fusion import fuse
from shared.database.live_chunks import LiveChunk
from shared.vectors.base import Candidate

Mode = Literal["hybrid", "dense", "sparse"]
Value = TypeVar("Value")
# What a search had to do without, or could not finish.
Degradation = Literal["analyser", "embedder", "incomplete", "rerank"]


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """One search of one collection; `score_threshold` None cuts nothing.

    `distinct` leaves out copies of better hits; `max_per_document` None is as many as there are.
    `neighbours` chunks are read on either side of each hit.
    """

    tenant_id: str
    text: str
    collection: str = "default"
    limit: int = 10
    mode: Mode = "hybrid"
    filters: Mapping[str, Any] = field(default_factory=dict)
    score_threshold: float | None = None
    rerank: bool = False
    distinct: bool = False
    max_per_document: int | None = None
    neighbours: int = 0


@dataclass(frozen=True, slots=True)
class Live:
    """The scores of candidates by chunk, best first; `fused` are both lists in one.

    `chunks` are those that were read and so are live, of the first in fused order as many as were
    wanted. What lies behind them is not shown, and a dead one among it is not looked for.
    Not `complete`: so much was dropped in every round that live chunks may have been missed.
    `all`: the store has no others.
    """

    dense: Mapping[UUID, float] = field(default_factory=dict)
    sparse: Mapping[UUID, float] = field(default_factory=dict)
    fused: Mapping[UUID, float] = field(default_factory=dict)
    chunks: Mapping[UUID, LiveChunk] = field(default_factory=dict)
    complete: bool = True
    all: bool = False

    @classmethod
    def of(cls, dense: Iterable[Candidate], sparse: Iterable[Candidate]) -> Self:
        """Return candidates, best first, whose chunks are still to be read."""
        return cls._fused(_scores(dense), _scores(sparse))

    @classmethod
    def _fused(cls, dense: Mapping[UUID, float], sparse: Mapping[UUID, float]) -> Self:
        return cls(dense, sparse, fuse(dense, sparse))

    def joined(self, further: "Live") -> "Live":
        """Return the candidates of both searches of one index, best first.

        Of a document that changed between them its later version alone.
        """
        chunks = {**self.chunks, **further.chunks}
        gone = _superseded(chunks.values())
        both = self._fused(
            _best_first(_without(gone, {**self.dense, **further.dense})),
            _best_first(_without(gone, {**self.sparse, **further.sparse})),
        )
        return replace(
            both,
            chunks=_without(gone, chunks),
            complete=self.complete and further.complete,
            all=further.all,
        )


def _scores(candidates: Iterable[Candidate]) -> dict[UUID, float]:
    return {one.chunk_id: one.score for one in candidates}


def _superseded(chunks: Collection[LiveChunk]) -> set[UUID]:
    """Return the chunks of which a later version of their document is there too."""
    latest: dict[UUID, int] = {}
    for chunk in chunks:
        latest[chunk.document_id] = max(chunk.version, latest.get(chunk.document_id, 0))
    return {chunk.id for chunk in chunks if chunk.version < latest[chunk.document_id]}


def _without(gone: Collection[UUID], by_chunk: Mapping[UUID, Value]) -> dict[UUID, Value]:
    return {id_: value for id_, value in by_chunk.items() if id_ not in gone}


def _best_first(scores: Mapping[UUID, float]) -> dict[UUID, float]:
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


@dataclass(frozen=True, slots=True)
class Order:
    """The chunks of a search with their fused scores, best first.

    `rerank` is what the cross-encoder says of those it has read, as a share of 1. Not `complete`:
    it has not read all that it was to.
    """

    fused: Mapping[UUID, float]
    rerank: Mapping[UUID, float] = field(default_factory=dict)
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores a hit came from; None where a list did not hold it or was not asked for.

    `dense` is a cosine, `sparse` a BM25 sum, `fused` both lists weighed, in [0, 1]; `rerank` is
    the cross-encoder's, in [0, 1], None where it has not read the hit.
    """

    dense: float | None = None
    sparse: float | None = None
    fused: float | None = None
    rerank: float | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """The chunks that stand around a hit in its version, in order."""

    before: Sequence[LiveChunk] = ()
    after: Sequence[LiveChunk] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """A live chunk with its relevance in [0, 1].

    `duplicates` are copies of it that were left out, None in a search that leaves out none.
    `context` is None unless it was asked for.
    """

    chunk: LiveChunk
    collection: str
    score: float
    scores: Scores
    duplicates: Sequence[LiveChunk] | None = None
    context: Context | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, best first.

    `floor` is the least relevance at which an answer is given, in this space and by this way of
    search. `timings` are milliseconds by stage.
    """

    hits: Sequence[Hit]
    floor: float
    degraded: tuple[Degradation, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
