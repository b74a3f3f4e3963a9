"""The wire of searches."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from services.query_api.retrieval.hits import Context, Found, Hit
from services.query_api.retrieval.joining import pieces
from services.query_api.schemas.base import CollectionName, Fraction, Request, Rerank, Text1000
from shared.database.live_chunks import LiveChunk


class SearchRequest(Request):
    """A search of one collection."""

    query: Text1000 = Field(description="What to look for.", examples=["parental leave"])
    collection: CollectionName = "default"
    limit: int = Field(default=10, ge=1, le=100, description="Most hits.")
    mode: Literal["hybrid", "dense", "sparse"] = "hybrid"
    filters: dict[str, Any] = Field(
        default_factory=dict, description='Such as `{"year": {"gte": 2020}}`.'
    )
    score_threshold: Fraction | None = Field(
        default=None, description="Leave out hits of a lower score."
    )
    rerank: Rerank = False
    neighbours: int = Field(
        default=0, ge=0, le=3, description="Chunks to send on either side of each hit."
    )
    distinct: bool = Field(
        default=False, description="Leave out copies of better hits, and name them in those."
    )
    max_per_document: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None, description="Most hits of one document; the next ones fill up."
    )


class ScoresResponse(BaseModel):
    """The scores a hit came from; null where a list did not hold it."""

    dense: float | None = Field(description="Cosine similarity of the vectors.")
    sparse: float | None = Field(description="BM25.")
    fused: float | None = Field(
        description="Both lists weighed, in [0, 1]; hits are in its order unless reranked."
    )
    rerank: float | None = Field(
        description="The cross-encoder's, in [0, 1]; null where it has not read the hit."
    )


class NeighbourResponse(BaseModel):
    """A chunk that stands beside a hit; `text` is what the one nearer the hit does not repeat."""

    chunk_id: UUID
    ordinal: int
    page_start: int
    page_end: int
    section: list[str]
    text: str

    @classmethod
    def of(cls, chunk: LiveChunk, text: str) -> Self:
        """Put a chunk and what is to be sent of its text into its wire form."""
        return cls(
            chunk_id=chunk.id,
            ordinal=chunk.ordinal,
            page_start=chunk.page_start,
            page_end=chunk.page_end,
            section=list(chunk.section),
            text=text,
        )


class ContextResponse(BaseModel):
    """What stands around a hit: the texts before, the hit's and those after, joined, read on."""

    before: list[NeighbourResponse]
    after: list[NeighbourResponse]

    @classmethod
    def of(cls, chunk: LiveChunk, context: Context) -> Self:
        """Put a hit's neighbours into their wire form."""
        at = len(context.before)
        around = (*context.before, chunk, *context.after)
        texts = pieces([one.text for one in around], whole=at)
        sent = [NeighbourResponse.of(*pair) for pair in zip(around, texts, strict=True)]
        return cls(before=sent[:at], after=sent[at + 1 :])


class DuplicateResponse(BaseModel):
    """A copy of a hit, which was left out."""

    document_id: UUID
    filename: str
    chunk_id: UUID
    page_start: int

    @classmethod
    def of(cls, chunk: LiveChunk) -> Self:
        """Put a copy into its wire form."""
        return cls(
            document_id=chunk.document_id,
            filename=chunk.filename,
            chunk_id=chunk.id,
            page_start=chunk.page_start,
        )


class HitResponse(BaseModel):
    """A chunk that was found."""

    chunk_id: UUID
    document_id: UUID
    version: int
    ordinal: int
    collection: str
    filename: str
    attributes: dict[str, Any]
    page_start: int
    page_end: int
    section: list[str]
    text: str
    score: float = Field(description="Relevance in [0, 1].")
    scores: ScoresResponse
    context: ContextResponse | None = Field(
        default=None, description="What stands around it; sent where `neighbours` is not 0."
    )
    duplicates: list[DuplicateResponse] | None = Field(
        default=None,
        description="Copies that ranked lower, the first hundred; sent where `distinct` is true.",
    )

    @classmethod
    def of(cls, hit: Hit) -> "HitResponse":
        """Put a hit into its wire form."""
        response = cls._plain(hit)
        # Set only where they were asked for: what is not set is not sent.
        if hit.context is not None:
            response.context = ContextResponse.of(hit.chunk, hit.context)
        if hit.duplicates is not None:
            response.duplicates = [DuplicateResponse.of(copy) for copy in hit.duplicates]
        return response

    @classmethod
    def _plain(cls, hit: Hit) -> "HitResponse":
        chunk = hit.chunk
        return cls(
            chunk_id=chunk.id,
            document_id=chunk.document_id,
            version=chunk.version,
            ordinal=chunk.ordinal,
            collection=hit.collection,
            filename=chunk.filename,
            attributes=dict(chunk.attributes),
            page_start=chunk.page_start,
            page_end=chunk.page_end,
            section=list(chunk.section),
            text=chunk.text,
            score=hit.score,
            scores=ScoresResponse.model_validate(hit.scores, from_attributes=True),
        )


class SearchResponse(BaseModel):
    """What a search found, best first."""

    hits: list[HitResponse]
    degraded: list[str] | None = Field(
        default=None,
        description="What it had to do without: analyser, embedder, incomplete, rerank.",
    )
    timings: dict[str, float] = Field(description="Milliseconds by stage.")

    @classmethod
    def of(cls, found: Found) -> "SearchResponse":
        """Put what was found into its wire form."""
        response = cls(
            hits=[HitResponse.of(hit) for hit in found.hits], timings=dict(found.timings)
        )
        # Set only where there is something to tell: what is not set is not sent.
        if found.degraded:
            response.degraded = list(found.degraded)
        return response
