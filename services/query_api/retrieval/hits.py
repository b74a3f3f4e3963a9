"""The values of a search: what is asked, what is found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from shared.database.live_chunks import LiveChunk
from shared.vectors.base import Candidate

Mode = Literal["hybrid", "dense", "sparse"]
# What a search had to do without, or could not finish.
Degradation = Literal["analyser", "embedder", "incomplete", "rerank"]


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """One search of one collection; `score_threshold` None cuts nothing."""

    tenant_id: str
    text: str
    collection: str = "default"
    limit: int = 10
    mode: Mode = "hybrid"
    filters: Mapping[str, Any] = field(default_factory=dict)
    score_threshold: float | None = None
    rerank: bool = False


@dataclass(frozen=True, slots=True)
class Live:
    """The candidates that are live, best first, and their chunks.

    Not `complete`: so much was dropped in every round that live chunks may have been missed.
    """

    dense: Sequence[Candidate] = ()
    sparse: Sequence[Candidate] = ()
    chunks: Mapping[UUID, LiveChunk] = field(default_factory=dict)
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores a hit came from; None where a list did not hold it or was not asked for.

    `dense` is a cosine, `sparse` a BM25 sum, `fused` both lists weighed, in [0, 1].
    """

    dense: float | None = None
    sparse: float | None = None
    fused: float | None = None
    rerank: float | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A live chunk with its relevance in [0, 1]."""

    chunk: LiveChunk
    collection: str
    score: float
    scores: Scores


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
