"""The wire of rebuilds: what is asked for, what it takes, how far it is."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from services.ingest_worker.schemas import CollectionName, Request


class RebuildRequest(Request):
    """Which points to make anew."""

    collection: CollectionName | None = Field(default=None, description="Without it: all.")
    dry_run: bool = Field(default=False, description="Tell the cost and do nothing.")
    from_empty: bool = Field(
        default=False,
        description="Drop the index first: queries find nothing until it is filled again.",
    )


class CostResponse(BaseModel):
    """What rebuilding one collection takes; all but documents and chunks are estimates."""

    collection: str
    space: str
    documents: int
    chunks: int
    unknown: int = Field(description="Chunks without a point: their texts are embedded again.")
    tokens: int = Field(description="Tokens of those.")
    calls: int = Field(description="Requests to the embedder.")
    usd: float | None = Field(description="At the provider's list price, if that is known.")
    seconds: float | None = Field(description="At the pace of a recent large upload, if any.")


class RebuildResponse(BaseModel):
    """A rebuild and how far it is."""

    id: UUID
    collection: str
    from_empty: bool
    stage: Literal["preparing", "queueing", "embedding", "checking", "mending", "done"]
    documents: int = Field(description="Documents whose chunks were queued so far.")
    chunks: int = Field(description="Chunks queued so far.")
    left: int = Field(description="Queued chunks that are not embedded yet.")
    created_at: datetime
    finished_at: datetime | None


class RebuildAnswer(BaseModel):
    """What it takes, and what was begun; nothing after a dry run."""

    costs: list[CostResponse]
    rebuilds: list[RebuildResponse]


class RebuildsResponse(BaseModel):
    """The newest rebuild of each collection."""

    items: list[RebuildResponse]
