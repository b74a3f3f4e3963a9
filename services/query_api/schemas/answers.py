"""The wire models of the trail of answers, and of feedback."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from services.query_api.audit.reading import Rating, WholeAnswer
from services.query_api.chat_models.base import Usage
from services.query_api.generation.answers import Abstention
from services.query_api.schemas.base import Request
from services.query_api.schemas.query import UsageResponse
from shared.database.answer_views import AnswerRow, FeedbackRow, SourceRow

# Postgres stores no NUL.
Comment = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=2000, pattern=r"^[^\x00]*$")
]
OutcomeName = Literal["generated", "extractive", "abstained", "failed", "left"]


class FeedbackRequest(Request):
    """What the caller thinks of an answer."""

    answer_id: UUID
    rating: Rating = Field(description="`up`: it helped; `down`: it did not.")
    comment: Comment | None = Field(default=None, description="Why; at most 2,000 characters.")


class FeedbackResponse(BaseModel):
    """What one credential said of an answer, the last time it did."""

    rating: Rating
    comment: str | None
    given_by: str = Field(description="The credential, such as `key:cw_1a2b3c`.")
    given_at: datetime

    @classmethod
    def of(cls, row: FeedbackRow) -> "FeedbackResponse":
        """Put feedback into its wire form."""
        return cls.model_validate(row, from_attributes=True)


class AnswerResponse(BaseModel):
    """An answer of the trail; `question` and `answer` only where such words are kept."""

    id: UUID
    asked_at: datetime
    asked_by: str = Field(description="The credential, such as `key:cw_1a2b3c`.")
    collection: str
    outcome: OutcomeName = Field(
        description="`left`: the asker did not wait for it; `failed`: see `problem_code`."
    )
    problem_code: str | None = None
    question: str | None = None
    answer: str | None = None
    redacted: bool = Field(
        description="Whether a document it rested on is deleted; its words are gone then."
    )
    model: str = Field(description="Empty where none was chosen yet.")
    prompt_version: str
    fallback: str | None = None
    abstention: Abstention | None = Field(default=None, description="Why it abstained.")
    statements: int = Field(description="Sentences that state something.")
    supported: int = Field(description="Those of them that a passage holds up.")
    confidence: float
    best_score: float | None = None
    degraded: list[str]
    usage: UsageResponse
    timings: dict[str, float] = Field(description="Milliseconds by stage.")

    @classmethod
    def of(cls, row: AnswerRow) -> "AnswerResponse":
        """Put an answer of the trail into its wire form."""
        usage = UsageResponse.of(Usage(row.prompt_tokens, row.completion_tokens, row.cost))
        return cls.model_validate({**asdict(row), "answer": row.text, "usage": usage})


class SourceResponse(BaseModel):
    """A chunk that the answer was written from."""

    chunk_id: UUID
    document_id: UUID
    version_id: UUID
    version: int
    page: int
    score: float
    cited: bool
    filename: str | None = Field(default=None, description="Left out once it is deleted.")
    redacted: bool
    quotes: list[str] = Field(
        description="Spans of its text that were cited; none once it is deleted."
    )

    @classmethod
    def of(cls, row: SourceRow) -> "SourceResponse":
        """Put a source into its wire form."""
        return cls.model_validate({**asdict(row), "quotes": row.quotes or ()})


class WholeAnswerResponse(AnswerResponse):
    """An answer with what it rested on and what was said of it."""

    sources: list[SourceResponse] = Field(description="As they were found, best first.")
    feedback: list[FeedbackResponse] = Field(description="The newest first, a hundred at most.")

    @classmethod
    def whole(cls, found: WholeAnswer) -> "WholeAnswerResponse":
        """Put an answer with everything about it into its wire form."""
        return cls(
            **AnswerResponse.of(found.answer).model_dump(),
            sources=[SourceResponse.of(row) for row in found.sources],
            feedback=[FeedbackResponse.of(row) for row in found.feedback],
        )


class AnswersResponse(BaseModel):
    """A page of the trail."""

    items: list[AnswerResponse]
    next_cursor: str | None = Field(description="Send it as `cursor`; null on the last page.")
