"""The wire models of the quality watch."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from services.query_api.quality.watch import History, Ticked
from services.query_api.schemas.base import CollectionName, Request, Text1000
from shared.database.quality import CanaryRow, NewCanary, TickRow
from shared.models import MAX_INTEGER

# As many as any deployment may ask in a tick; its own setting may be lower.
MOST_CANARIES = 200
DocumentName = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class QualityRunRequest(Request):
    """Which canaries to ask."""

    collection: CollectionName | None = Field(default=None, description="Only this one.")
    due: bool = Field(
        default=False, description="Only collections without a tick in half the clock's interval."
    )
    rebase: bool = Field(default=False, description="Measure by what comes from now on.")
    wait: bool = Field(default=True, description="Answer when it is done; else at once, with 202.")


class TickResponse(BaseModel):
    """What one round over a collection's canaries came to."""

    id: UUID
    created_at: datetime
    state: Literal["ok", "degraded"]
    reasons: list[str] = Field(description="Measures past their threshold.")
    measures: dict[str, float] = Field(
        description="Recall and reciprocal rank by mode, `cosine`, `relevance`, `abstained`."
    )
    questions: int
    skipped: int = Field(description="Canaries whose document is gone.")
    errors: int = Field(description="Searches without an embedder.")
    provider_calls: int

    @classmethod
    def of(cls, tick: TickRow) -> "TickResponse":
        """Put a tick into its wire form."""
        return cls.model_validate(tick, from_attributes=True)


class QualityRunItem(BaseModel):
    """A collection that was gone over; no tick where nothing can be asked of it."""

    collection: str
    tick: TickResponse | None


class QualityRunResponse(BaseModel):
    """The collections that were gone over."""

    items: list[QualityRunItem]

    @classmethod
    def of(cls, ticked: Sequence[Ticked]) -> "QualityRunResponse":
        """Put what was measured into its wire form."""
        items = [
            QualityRunItem(
                collection=one.collection.name,
                tick=TickResponse.of(one.tick) if one.tick else None,
            )
            for one in ticked
        ]
        return cls(items=items)


class QualityResponse(BaseModel):
    """A collection's quality as it is known."""

    collection: str
    collection_id: UUID | None = Field(
        description="As metrics name it; null for `default` before its first upload."
    )
    state: Literal["ok", "degraded", "unknown"] = Field(description="Of the newest tick.")
    baseline: dict[str, float] = Field(description="Median of the newest good ticks.")
    ticks: list[TickResponse] = Field(description="Newest first.")

    @classmethod
    def of(cls, history: History) -> "QualityResponse":
        """Put a history into its wire form."""
        ticks = [TickResponse.of(tick) for tick in history.ticks]
        return cls(
            collection=history.collection,
            collection_id=history.collection_id,
            state=ticks[0].state if ticks else "unknown",
            baseline=history.baseline,
            ticks=ticks,
        )


class GivenCanary(Request):
    """A question and where its answer stands."""

    question: Text1000
    document: DocumentName = Field(description="The document's name.")
    page: int | None = Field(
        default=None, ge=1, le=MAX_INTEGER, description="The page, if it is to be that one."
    )

    def new(self) -> NewCanary:
        """Return it as it is stored."""
        return NewCanary(self.question, self.document, self.page)


class CanariesRequest(Request):
    """The canaries a collection shall have."""

    canaries: list[GivenCanary] = Field(max_length=MOST_CANARIES)


class CanaryResponse(BaseModel):
    """A canary."""

    question: str
    document: str
    page: int | None
    chunk_id: UUID | None = Field(description="The chunk it was made from; null if it was given.")
    live: bool = Field(description="Whether what it expects is there.")


class CanariesResponse(BaseModel):
    """A collection's canaries."""

    items: list[CanaryResponse]

    @classmethod
    def of(cls, rows: Sequence[CanaryRow]) -> "CanariesResponse":
        """Put canaries into their wire form."""
        return cls(items=[CanaryResponse.model_validate(row, from_attributes=True) for row in rows])
