"""The wire models of the query service: its contract, to the letter."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from services.query_api.chat_models.base import Usage
from services.query_api.generation.answers import (
    LONGEST_QUESTION,
    LONGEST_TURN,
    MOST_HISTORY_CHARS,
    MOST_TURNS,
    Abstention,
    Answer,
)
from services.query_api.generation.passages import Claim
from services.query_api.retrieval.hits import Context, Found, Hit
from services.query_api.retrieval.joining import pieces
from shared.database.live_chunks import LiveChunk
from shared.models import Box

Text1000 = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_QUESTION)
]
CollectionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Fraction = Annotated[float, Field(ge=0, le=1)]
Rerank = Annotated[bool, Field(description="Reorder the best hits with a cross-encoder.")]


class Request(BaseModel):
    """A request body; a field it does not know is an error, not a wish ignored."""

    model_config = ConfigDict(extra="forbid")


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
            scores=ScoresResponse(
                dense=hit.scores.dense,
                sparse=hit.scores.sparse,
                fused=hit.scores.fused,
                rerank=hit.scores.rerank,
            ),
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


class TurnRequest(Request):
    """What was said before."""

    role: Literal["user", "assistant"]
    content: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TURN)]


def _short_enough(turns: list[TurnRequest]) -> list[TurnRequest]:
    if sum(len(turn.content) for turn in turns) > MOST_HISTORY_CHARS:
        message = f"more than {MOST_HISTORY_CHARS} characters in all"
        raise ValueError(message)
    return turns


class QueryRequest(Request):
    """A question to one collection."""

    question: Text1000 = Field(examples=["How many weeks of parental leave are there?"])
    context_limit: int = Field(default=5, ge=1, le=20, description="Most passages to answer from.")
    collection: CollectionName = "default"
    filters: dict[str, Any] = Field(default_factory=dict)
    score_threshold: Fraction | None = Field(
        default=None,
        description="Least relevance of a passage; the floor of the space and mode when null.",
    )
    temperature: Fraction | None = Field(
        default=None, description="0.1 when null; Anthropic's API knows none."
    )
    model: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        default=None,
        description="A model of a provider, or `extractive`; it answers or fails itself.",
    )
    rerank: Rerank = False
    history: Annotated[
        list[TurnRequest],
        Field(
            default_factory=list,
            max_length=MOST_TURNS,
            description="Earlier turns, oldest first,"
            f" at most {MOST_HISTORY_CHARS:,} characters in all.",
        ),
        AfterValidator(_short_enough),
    ]
    stream: bool = Field(default=False, description="Answer as server-sent events.")
    neighbours: int = Field(
        default=0, ge=0, le=3, description="Chunks to answer from on either side of each found one."
    )
    distinct: bool = Field(
        default=True, description="Answer from no copies of better chunks; the next ones fill up."
    )
    max_per_document: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None, description="Most chunks of one document; their neighbours do not count."
    )


class CitationResponse(BaseModel):
    """A pointer from the answer to the words it rests on."""

    marker: str = Field(description="As it stands in the answer.")
    document_id: UUID
    filename: str
    page: int
    section: list[str]
    quote: str = Field(description="An exact span of the chunk's text.")
    chunk_id: UUID
    score: float
    boxes: list[Box] = Field(
        default_factory=list,
        description="Where its chunk stands on this page, if known.",
    )

    @classmethod
    def of(cls, claim: Claim) -> "CitationResponse":
        """Put a claim into its wire form."""
        chunk = claim.chunk
        return cls(
            marker=claim.source,
            document_id=chunk.document_id,
            filename=chunk.filename,
            page=claim.page,
            section=list(chunk.section),
            quote=claim.quote,
            chunk_id=chunk.id,
            score=claim.score,
            boxes=[Box.model_validate(box) for box in chunk.boxes if box["page"] == claim.page],
        )


class VerificationResponse(BaseModel):
    """How much of what the answer states was found in the passages."""

    statements: int = Field(description="Sentences that state something, those left out too.")
    supported: int = Field(description="Those of them that a passage holds up.")


class UsageResponse(BaseModel):
    """Tokens the provider counted; zero where none was asked."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cost: float | None = Field(
        default=None, description="Sent where the model has a price in `CITEWELL_TRAIL_PRICES`."
    )

    @classmethod
    def of(cls, usage: Usage) -> Self:
        """Put usage into its wire form."""
        return cls(
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            total_tokens=usage.prompt_tokens + usage.completion_tokens,
            cost=usage.cost,
        )


class QueryResponse(BaseModel):
    """An answer with its citations, or an honest abstention."""

    answer_id: UUID
    answer: str
    sources: list[str] = Field(examples=[["[Source: handbook.pdf, page 12]"]])
    confidence: Fraction
    citations: list[CitationResponse]
    abstained: bool
    abstention: Abstention | None = Field(
        default=None, description="Why there is no answer; sent where `abstained` is true."
    )
    verification: VerificationResponse
    best_score: float | None = Field(default=None, description="Relevance of the best hit.")
    searched_for: str | None = Field(
        default=None,
        description="What a follow-up was made into, where `history` was needed to understand it.",
    )
    fallback: str | None = Field(
        default=None,
        description="What answered in the first provider's place: another one, or `extractive`.",
    )
    degraded: list[str] | None = None
    model: str
    prompt_version: str
    usage: UsageResponse
    timings: dict[str, float]

    @classmethod
    def of(cls, answer: Answer) -> "QueryResponse":
        """Put an answer into its wire form."""
        return cls(
            answer_id=answer.answer_id,
            answer=answer.text,
            sources=list(answer.sources),
            confidence=answer.confidence,
            citations=[CitationResponse.of(claim) for claim in answer.claims],
            abstained=answer.abstained is not None,
            abstention=answer.abstained,
            verification=VerificationResponse(
                statements=answer.statements, supported=answer.supported
            ),
            best_score=answer.best_score,
            searched_for=answer.searched_for,
            fallback=answer.fallback,
            degraded=list(answer.degraded) or None,
            model=answer.model,
            prompt_version=answer.prompt_version,
            usage=UsageResponse.of(answer.usage),
            timings=dict(answer.timings),
        )
