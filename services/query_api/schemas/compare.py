"""The wire of comparisons of two indexes."""

from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field

from services.query_api.retrieval.compare import Comparison
from services.query_api.schemas.base import CollectionName, Request, Rerank, Text1000


class CompareRequest(Request):
    """What to ask both indexes."""

    collection: CollectionName = "default"
    questions: list[Text1000] = Field(
        default_factory=list, max_length=50, description="Questions of your own."
    )
    canaries: int = Field(
        default=20, ge=0, le=100, description="Most questions made from the collection's chunks."
    )
    rerank: Rerank = False


class ComparedIndex(BaseModel):
    """One of the two."""

    space: str
    recall: float | None = Field(
        description="Share of the canaries whose document is among the first ten."
    )


class ComparedQuestion(BaseModel):
    """One question in both."""

    question: str
    overlap: float
    document_id: UUID | None = Field(description="The document that answers it, if it is known.")
    active_rank: int | None
    other_rank: int | None


class CompareResponse(BaseModel):
    """How alike the two indexes answer."""

    active: ComparedIndex = Field(description="The one that answers now.")
    other: ComparedIndex
    overlap: float | None = Field(description="Mean share of the first ten documents in both.")
    questions: list[ComparedQuestion]

    @classmethod
    def of(cls, comparison: Comparison) -> Self:
        """Return a comparison as it is sent."""
        return cls(
            active=ComparedIndex(
                space=comparison.active.space, recall=comparison.recall(active=True)
            ),
            other=ComparedIndex(
                space=comparison.other.space, recall=comparison.recall(active=False)
            ),
            overlap=comparison.overlap,
            questions=[
                ComparedQuestion(
                    question=one.question.text,
                    overlap=one.overlap,
                    document_id=one.question.document_id,
                    active_rank=one.active_rank,
                    other_rank=one.other_rank,
                )
                for one in comparison.questions
            ],
        )
