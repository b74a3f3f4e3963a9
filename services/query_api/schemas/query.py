"""The wire of questions and their answers."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from services.query_api.chat_models.base import Usage
from services.query_api.generation.answers import (
    LONGEST_TURN,
    MOST_HISTORY_CHARS,
    MOST_TURNS,
    Abstention,
    Answer,
)
from services.query_api.generation.passages import Claim
from services.query_api.schemas.base import CollectionName, Fraction, Request, Rerank, Text1000
from shared.models import Box


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
