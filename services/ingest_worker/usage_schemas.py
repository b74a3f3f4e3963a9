"""The wire of `/v1/usage`."""

import datetime as dt
from collections.abc import Iterable, Sequence
from datetime import datetime

from pydantic import BaseModel, Field

from services.ingest_worker.schemas import CollectionUsageResponse, UsageSumsResponse
from shared.database.answer_views import ChatUsageRow

MOST_DAYS = 1000


class ChatSumsResponse(BaseModel):
    """What questions took of chat models; extracts took nothing."""

    answers: int = Field(default=0, description="Without those that failed or were left.")
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = Field(default=0.0, description="Of the answers whose model had a price.")
    unpriced: int = Field(
        default=0, description="Questions that took tokens of a model without one: not in `cost`."
    )

    def add(self, row: ChatUsageRow) -> None:
        """Add what a model took on a day."""
        self.answers += row.answers
        self.prompt_tokens += row.prompt_tokens
        self.completion_tokens += row.completion_tokens
        self.cost += row.cost
        self.unpriced += row.unpriced


class ModelUsageResponse(ChatSumsResponse):
    """What one model took."""

    model: str


class DayUsageResponse(ModelUsageResponse):
    """What one model took on one day."""

    day: dt.date = Field(description="In UTC.")


class ChatUsageResponse(ChatSumsResponse):
    """What questions took in all, by model, and by day and model."""

    models: list[ModelUsageResponse]
    days: list[DayUsageResponse] = Field(description="The newest first, a thousand at most.")

    @classmethod
    def of(cls, rows: Sequence[ChatUsageRow]) -> "ChatUsageResponse":
        """Add up what was taken on the days of a span, which come newest first."""
        days = [DayUsageResponse.model_validate(row, from_attributes=True) for row in rows]
        chat = cls(models=list(_by_model(rows)), days=days[:MOST_DAYS])
        for row in rows:
            chat.add(row)
        return chat


class TenantUsageResponse(BaseModel):
    """A tenant's sums, and those of each of its collections."""

    since: datetime | None
    until: datetime | None
    total: UsageSumsResponse
    collections: list[CollectionUsageResponse]
    chat: ChatUsageResponse


def _by_model(rows: Sequence[ChatUsageRow]) -> Iterable[ModelUsageResponse]:
    models: dict[str, ModelUsageResponse] = {}
    for row in sorted(rows, key=lambda one: one.model):
        models.setdefault(row.model, ModelUsageResponse(model=row.model)).add(row)
    return models.values()
